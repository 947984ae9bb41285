"""Build a module in a process of its own, to see what it takes: `python -m tests.threats.measured URL FOLDER QUERY PATH`.

Prints what was said as JSON, with the peaks of resident memory, in bytes, of this process and of the largest that it
started (`git` and its helpers), and the seconds of processor time of all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.module.path import ModulePath
from tests.threats.hostile import ROOT, Ours

LIST = "list"


@dataclass(frozen=True)
class Measured:
    """What was said, and what it took."""

    kind: str
    refused: str
    h1: str
    mod: str
    versions: int
    own: int
    largest: int
    seconds: float

    @property
    def peak(self) -> int:
        """Bytes of resident memory of the largest process."""
        return max(self.own, self.largest)


def measure(url: str, folder: Path, query: str, *, path: str = ROOT, timeout: float = 120) -> Measured:
    """Ask in a process of its own; it is killed after so many seconds."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.threats.measured", url, str(folder), query, path],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return Measured(**json.loads(done.stdout))


async def _ask(url: str, folder: Path, query: str, path: str) -> dict[str, object]:
    ours = Ours(folder)
    if query == LIST:
        try:
            found = await ours.source(url).versions(ModulePath.parse(ROOT))
        except MirrorError as error:
            return {
                "kind": type(error).__name__,
                "refused": error.message,
                "h1": "",
                "mod": "",
                "versions": 0,
            }
        return {"kind": "", "refused": "", "h1": "", "mod": "", "versions": len(found.value)}
    said = await ours.says(url, query, path=path)
    kind = type(said.error).__name__ if said.error else ""
    return {"kind": kind, "refused": said.refused, "h1": said.h1, "mod": said.mod, "versions": 0}


def _peak() -> int:
    """Bytes of resident memory at most since this program was started: ru_maxrss counts its parent's before that too."""
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def main() -> None:
    """Ask, and print the answer."""
    url, folder, query, path = sys.argv[1:]
    said = asyncio.run(_ask(url, Path(folder), query, path))
    own, started = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = own.ru_utime + own.ru_stime + started.ru_utime + started.ru_stime
    taken = {"own": _peak(), "largest": started.ru_maxrss << 10, "seconds": seconds}
    sys.stdout.write(json.dumps(said | taken))


if __name__ == "__main__":
    main()
