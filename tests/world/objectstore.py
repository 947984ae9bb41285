"""A real S3-compatible server for the tests: built by the project's own script, with a bucket and credentials of its own."""

from __future__ import annotations

import functools
import os
import secrets
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from tests.world.folders import cache_folder
from tests.world.go import clean_environment
from tests.world.polling import eventually
from tests.world.server import fetch, free_port

_SCRIPT = Path(__file__).parents[2] / "scripts/install-s3"
BUCKET = "modules"


@functools.cache
def object_server() -> Path | str:
    """The program; where it cannot be built, a sentence that says so."""
    folder = cache_folder() / "s3"
    if os.environ.get("GOPROXY_MIRROR_TESTS_OFFLINE") == "1" and not (folder / ".ready").exists():
        return "no S3 server has been built here, and nothing may be fetched (GOPROXY_MIRROR_TESTS_OFFLINE)"
    with FileLock(cache_folder() / "s3.lock"):
        done = subprocess.run([str(_SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    return f"no S3 server can be built here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"


class ObjectServer:
    """A server over a folder, on a free port of the loopback; `stop` and `start` again as in an outage."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self.folder = folder / "objects"
        (self.folder / BUCKET).mkdir(parents=True)
        self._sidecar = folder / "attributes"  # not every file system has room for attributes of its own
        self._sidecar.mkdir()
        self.access, self.secret = secrets.token_hex(8), secrets.token_hex(16)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._home = folder

    def env(self) -> dict[str, str]:
        """What a client of it has in its environment."""
        return {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret}

    def arguments(self, prefix: str = "", *, url: str = "") -> tuple[str, ...]:
        """How `serve` is told of it."""
        store = f"s3://{BUCKET}/{prefix}".rstrip("/")
        return ("--store", store, "--store-option", f"endpoint={url or self.url}")

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(str(self._program), "--port", f"127.0.0.1:{self.port}", "--quiet", "--keep-alive"),
                *("posix", "--sidecar", str(self._sidecar), str(self.folder)),
            ],
            env=clean_environment(self._home)
            | {"ROOT_ACCESS_KEY_ID": self.access, "ROOT_SECRET_ACCESS_KEY": self.secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers, what="an answer of the S3 server")
        return self

    def stop(self) -> None:
        """End it; what it holds stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return fetch(self.port, "/").status == 403
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
