"""Programs under measurement: started on a core of their own, weighed through /proc, and ended with all they started."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world.go import clean_environment

_TICK = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parents[1]


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a module of this repository."""
    return (sys.executable, "-m", module, *arguments)


def cores() -> tuple[int, int | None]:
    """The core of the server, and that of the client where there is a second one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1] if len(usable) > 1 else None


def pinned(command: Sequence[str], core: int | None) -> tuple[str, ...]:
    """The same command on one core, where there is a program for that."""
    if core is None or not shutil.which("taskset"):
        return tuple(command)
    return ("taskset", "-c", str(core), *command)


class Process:
    """A program in a session of its own, which `stop` ends with everything in it. A context manager.

    `folder` becomes its home; what it writes is in `log` there, but for its standard output with `output`.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        core: int | None = None,
        output: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        self.started = time.perf_counter()
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                pinned(command, core),
                env=clean_environment(folder) | {"PYTHONPATH": str(ROOT)} | dict(env or {}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if output else log,
                stderr=log,
                start_new_session=True,
            )

    def first_line(self, within: float = 1800.0) -> str:
        """The first line that it prints."""
        stream = self._popen.stdout
        assert stream is not None
        if not select.select([stream], [], [], within)[0]:
            raise RuntimeError("the program said nothing in time")
        line = stream.readline().decode().strip()
        if not line:
            raise RuntimeError(f"the program ended\n{self.said()}")
        return line

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._popen.poll() is None

    def ids(self) -> Iterator[int]:
        """The processes of the session."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == self._popen.pid:
                    yield int(entry.name)

    def cpu(self) -> float:
        """Seconds of processor time of all its processes so far, with those that have ended."""
        total = 0
        for number in self.ids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                total += sum(int(each) for each in fields[11:15])
        return total / _TICK

    def forget_peak(self) -> None:
        """Let the peak of the memory begin anew."""
        for number in self.ids():
            with contextlib.suppress(OSError):
                Path(f"/proc/{number}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most bytes of resident memory that its largest process has had."""
        found = [0]
        for number in self.ids():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{number}/status").read_text().splitlines()
                found += [int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")]
        return max(found)

    def stop(self) -> None:
        """Ask it to end, and end it with all that it started."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(10)
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
