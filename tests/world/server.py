"""The program under test, as its users start it: `python -m goproxy_mirror serve …` in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world.go import clean_environment
from tests.world.polling import eventually


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Server:
    """One running server and its data folder; `start` again after `kill` to see what is left."""

    def __init__(
        self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None, port: int | None = None
    ) -> None:
        self.data = folder / "data"
        self._home = folder / "home"
        self._home.mkdir(parents=True, exist_ok=True)
        self._log = folder / "server.log"
        self._arguments = arguments
        self._env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        """The folder of published files."""
        return self.data / "store"

    def command(self) -> Sequence[str]:
        """How the server is started."""
        listen = () if "--listen" in self._arguments else ("--listen", f"127.0.0.1:{self.port}")
        return (*program("serve"), *listen, "--data", str(self.data), *self._arguments)

    def start(self, *, wait: bool = True) -> Self:
        """Start, and wait until the server says that it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                # Nothing of what most tests serve is in a database that could be asked.
                env=clean_environment(self._home) | {"GOSUMDB": "off"} | self._env,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            eventually(self._ready, what=f"readiness of {self.url}")
        return self

    def log(self) -> str:
        """Everything that the server has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
        """One request with the path exactly as given."""
        return fetch(self.port, path, headers, method=method)

    def sockets(self) -> list[int]:
        """How many sockets each of the server's processes holds, as Linux tells it."""
        counts = []
        for process in self._processes():
            with contextlib.suppress(OSError):
                files = [str(each.readlink()) for each in (process / "fd").iterdir()]
                counts.append(sum(each.startswith("socket:") for each in files))
        return counts

    def peak(self) -> int:
        """Bytes of resident memory that its largest process has had at most, as Linux tells it."""
        peaks = [0]
        for process in self._processes():
            with contextlib.suppress(OSError):
                lines = (process / "status").read_text("ascii").splitlines()
                peaks += [int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")]
        return max(peaks)

    def _processes(self) -> list[Path]:
        """What /proc tells of the server's processes."""
        assert self._process is not None
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getpgid(int(process.name)) == self._process.pid:
                    found.append(process)
        return found

    def wait(self, within: float = 60.0) -> int:
        """Wait for the server to end by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(within)

    def terminate(self) -> None:
        """Ask the server to stop, without waiting for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop it gracefully; with force if it does not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(
                    f"the server did not stop on SIGTERM within 60 s\n{self.log()}"
                ) from None
        self._reap()

    def kill(self) -> None:
        """Kill the server and all its workers at once, as a power cut would."""
        assert self._process is not None
        self._reap()
        self._process.wait(60)
        # The workers are not ours to wait for; until the system has buried them they count as running.
        eventually(self._is_gone, what="the end of the worker processes")
        self._process = None

    def _reap(self) -> None:
        """Kill what is left of the server's own process group."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _is_gone(self) -> bool:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the server ended with status {self._process.returncode}\n{self.log()}")
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self if self._process else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def program(*arguments: str) -> tuple[str, ...]:
    """The command line of the program under test."""
    return (sys.executable, "-m", "goproxy_mirror", *arguments)


def fetch(port: int, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
    """One request to a port of this machine, on a connection of its own, with the path exactly as given."""
    return answered(http.client.HTTPConnection("127.0.0.1", port, timeout=120), path, headers, method=method)


def answered(
    connection: http.client.HTTPConnection,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
) -> Answer:
    """The answer to one request on a connection, which is closed then."""
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
