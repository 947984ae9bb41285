"""A real PostgreSQL for the tests, started by the project's own script, on a port of this machine."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.world.polling import eventually
from tests.world.server import free_port

_SCRIPT = Path(__file__).parents[2] / "scripts/postgres"


class Postgres:
    """One server with a folder of its own; `database` makes an empty database on it."""

    def __init__(self) -> None:
        # Below no folder of root's own: the server runs as somebody else then.
        self._folder = Path(tempfile.mkdtemp(prefix="goproxy-mirror-pg-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def url(self, name: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://modules@127.0.0.1:{self.port}/{name}"

    def database(self) -> str:
        """The URL of a fresh database, which sorts as English does where the server can: not as bytes."""
        self._made += 1
        name = f"state{self._made}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            try:
                connection.execute(
                    f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'"
                )
            except psycopg.Error:
                connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> Self:
        """Start it, and wait until it takes connections."""
        with (self._folder.parent / f"{self._folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(_SCRIPT), str(self._folder), str(self.port)),
                    *("-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, what="an answer of PostgreSQL", within=120)
        return self

    def stop(self) -> None:
        """End it at once, as if its machine had gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()  # those that it has started end with it
                self._process.wait(30)
            self._process = None

    def pause(self, *, on: bool) -> None:
        """Let every process of it fall silent, or go on."""
        assert self._process is not None
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        for pid in [self._process.pid, *map(int, children.stdout.split())]:
            subprocess.run(["kill", "-STOP" if on else "-CONT", str(pid)], check=False)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"PostgreSQL ended with status {self._process.returncode}")
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder.parent / f"{self._folder.name}.log").unlink(missing_ok=True)
