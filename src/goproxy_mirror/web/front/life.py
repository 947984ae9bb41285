"""The life of a front: made ready before anything starts, started once our workers answer, ended before they are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Literal

import structlog

from goproxy_mirror.companion import Companion
from goproxy_mirror.errors import MirrorError, NeedsTool, SettingError
from goproxy_mirror.process import Runner
from goproxy_mirror.web.front import caddy, nginx
from goproxy_mirror.web.front.plan import Plan
from goproxy_mirror.web.front.sayings import Sayings

log = structlog.get_logger(__name__)

Kind = Literal["nginx", "caddy"]

_LONGEST_SOCKET_PATH = 103
_TEST = 30.0
_READ = 1 << 16
_READS = 4
"""How often its words are read in a row: under load it says more than we can hand on, and we have to listen for our own end."""


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """Which front, where its program is, and where it may write; `store` is the folder that it gives away.

    `doubted` are the URL paths of stored files that are not proven yet. `runner` starts the test of the configuration.
    """

    kind: Kind
    program: str
    folder: Path
    store: Path
    runner: Runner
    prefix: str = ""
    doubted: tuple[str, ...] = ()
    fetch_timeout: float = 600.0
    log_hits: bool = False


class Front:
    """nginx or Caddy, with a configuration that it has accepted. `workers` is the Unix socket at which it looks for us."""

    def __init__(self, options: FrontOptions, plan: Plan, folder: Path, socket_path: Path | None) -> None:
        assert isinstance(plan.workers, Path)
        self.workers = plan.workers
        self._options = options
        self._plan = plan
        self._folder = folder
        self._socket = socket_path
        self._socket_mode: int | None = None
        self._companion: Companion | None = None
        self._sayings = Sayings(options.kind)
        self._stopping = False
        self.failed = False
        """Whether it ended by itself."""

    def check(self) -> None:
        """Have the program test the configuration. Raises `SettingError` with what it says."""
        file = self._folder / "configuration"
        maker: ModuleType = nginx if self._options.kind == "nginx" else caddy
        file.write_text(maker.configuration(self._plan, self._folder), "utf-8")
        argv = (
            (*self._nginx(), "-t")
            if self._options.kind == "nginx"
            else (self._options.program, "validate", "--adapter", "caddyfile", "--config", str(file))
        )
        home = {"XDG_DATA_HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        run = self._options.runner.run(argv, cwd=self._folder, env=home, timeout=_TEST, output_limit=1 << 20)
        try:
            done = asyncio.run(run)
        except MirrorError as error:
            raise SettingError(f'front = "{self._options.kind}": {error.message}') from error
        if done.returncode:
            said = Sayings(self._options.kind)
            said.take(done.stdout + done.stderr, relay=False)
            raise SettingError(
                f'front = "{self._options.kind}": {self._options.program} does not accept its configuration: {said.worst()}'
            )

    def start(self, socket_mode: int | None) -> None:
        """Start it, once our workers answer. Where that is not possible, it has failed."""
        config = str(self._folder / "configuration")
        nginx_is_it = self._options.kind == "nginx"
        argv = (
            self._nginx()
            if nginx_is_it
            else (self._options.program, "run", "--adapter", "caddyfile", "--config", config)
        )
        self._socket_mode = socket_mode
        # nginx's main process would leave its workers behind if it were killed outright.
        orphaned = signal.SIGTERM if nginx_is_it else signal.SIGKILL
        try:
            self._companion = Companion(argv, self._folder, orphaned=orphaned)
        except NeedsTool as error:
            self.failed = True
            log.error("the front cannot be started", front=self._options.kind, reason=error.message)  # noqa: TRY400 (for the operator)
            return
        os.set_blocking(self._companion.output, False)

    def connected(self) -> bool:
        """Whether it takes connections; then its socket, where it has one, is put where clients look for it."""
        if self._plan.socket is None:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._plan.address.host, self._plan.address.host)  # noqa: S104 (compared)
            with contextlib.suppress(OSError):
                socket.create_connection((host, self._plan.address.port), timeout=1).close()
                return True
            return False
        assert self._socket is not None
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(self._plan.socket))
            self._plan.socket.chmod(_mode() if self._socket_mode is None else self._socket_mode)
            self._plan.socket.rename(self._socket)
            return True
        return False

    def fileno(self) -> int | None:
        """What can be read when it has said something or has ended; None before it is started."""
        return None if self._companion is None else self._companion.output

    def attend(self) -> bool:
        """Hand on what it has said; whether it is well. One that has ended by itself is not, and that is in the log."""
        if self._companion is None:
            return not self.failed
        status = self._companion.status()
        self._read()
        if status is None or self._stopping:
            return True
        self.failed = True
        log.error(
            "the front has ended, and so does this server",
            front=self._options.kind,
            status=status,
            said=self._sayings.worst(),
        )
        return False

    def stop(self, within: float) -> None:
        """End it: no new connections, running answers are finished for `within` seconds at most."""
        companion, self._stopping = self._companion, True
        if companion is None:
            return
        companion.tell(signal.SIGQUIT if self._options.kind == "nginx" else signal.SIGTERM)
        until = time.monotonic() + within
        while companion.status() is None and (left := until - time.monotonic()) > 0:
            select.select([companion.output], [], [], min(left, 0.05))
            self._read()
        self.close()

    def close(self) -> None:
        """Leave nothing of it running. May be called more than once."""
        companion, self._companion = self._companion, None
        if companion is not None:
            companion.close()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    def _read(self) -> None:
        assert self._companion is not None
        with contextlib.suppress(BlockingIOError):
            for _ in range(_READS):
                self._sayings.take(os.read(self._companion.output, _READ))

    def _nginx(self) -> tuple[str, ...]:
        config = str(self._folder / "configuration")
        return self._options.program, "-p", str(self._folder), "-e", "stderr", "-c", config


@contextmanager
def prepared(options: FrontOptions, plan: Plan, socket_path: Path | None) -> Iterator[Front]:
    """A front whose configuration is tested, not started yet; ended and tidied up when the context is left.

    `plan` says where to listen and how; where to look for files and for us is decided here. Raises `SettingError`.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    _clear(options.folder)
    with contextlib.ExitStack() as stack:
        folder = options.folder / str(os.getpid())
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        sockets = folder
        if len(os.fsencode(folder / "workers")) > _LONGEST_SOCKET_PATH:
            sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goproxy-mirror-")))
        own: Path | None = None
        if socket_path is not None:
            # Made where nobody else can go, and put in its place with the right mode.
            own = Path(stack.enter_context(_beside(socket_path))) / "s"
        plan = replace(
            plan,
            root=_root(folder, options.store, options.prefix),
            workers=sockets / "workers",
            socket=own,
            prefix=options.prefix,
            doubted=options.doubted,
            fetch_timeout=options.fetch_timeout,
            log_hits=options.log_hits,
        )
        front = Front(options, plan, folder, socket_path)
        front.check()
        stack.callback(front.close)
        yield front


def _root(folder: Path, store: Path, prefix: str) -> Path:
    """A folder in which a URL path leads to the store, prefix and all."""
    root = folder / "root"
    link = root / prefix.removeprefix("/") if prefix else root
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(store, target_is_directory=True)
    return root


@contextmanager
def _beside(path: Path) -> Iterator[str]:
    folder = path.parent / f".{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mode() -> int:
    """What the umask leaves of a new socket's mode."""
    mask = os.umask(0o077)
    os.umask(mask)
    return stat.S_IMODE(0o777 & ~mask)


def _clear(folder: Path) -> None:
    """Take away what servers that were killed have left."""
    for left in folder.iterdir():
        try:
            os.kill(int(left.name), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (OSError, ValueError):
            continue
