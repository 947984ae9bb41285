"""The only place that starts programs, and that makes their environment.

A program is started from an argument list (no shell ever), with an environment made from scratch (nothing
of this process is inherited but PATH), in a session of its own. Whatever happens - it ends, the deadline
passes, the task is cancelled, the reader fails - its whole process group is killed and its pipes are closed
before control returns, so that a helper it left behind (a transfer, a prompt) cannot outlive the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror import observe
from goproxy_mirror.errors import NeedsTool, SourceTimeout, SourceUnavailable

_READ = 1 << 20
"""Bytes that are read ahead from a program before it has to wait for its reader."""

_STDERR_KEPT = 64 << 10
"""Bytes of a program's stderr that are kept, the last ones; the rest is dropped, so that it never blocks."""

_REAP_SECONDS = 5.0
"""How long a killed program may take to be reaped (one that hangs in the kernel would take for ever)."""

_WINDOWS_NEEDS = ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT")


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended: `stdout` whole, `stderr` its last 64 KiB."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program and its children may use, in bytes; None: no limit. Held by the kernel, on Linux only.

    `memory` is each process's private data (RLIMIT_DATA), `file_size` the largest file that it may write
    (RLIMIT_FSIZE).
    """

    memory: int | None = None
    file_size: int | None = None


class Running:
    """A program that runs: its streams, and its end. `stdout` stops the program when nobody reads it."""

    def __init__(self, name: str, transport: asyncio.SubprocessTransport, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.name = name
        self.pid = process.pid
        self.stdin: asyncio.StreamWriter = process.stdin
        self.stdout: asyncio.StreamReader = process.stdout
        self._transport = transport
        self._process = process
        self._tail = bytearray()
        self._draining = asyncio.create_task(self._drain(process.stderr))
        self._feeding: asyncio.Task[None] | None = None

    def feed(self, data: bytes) -> None:
        """Write `data` to the program's stdin and close it, beside whoever reads the answers."""
        self._feeding = asyncio.create_task(self._feed(data))

    async def read(self, limit: int) -> bytes:
        """All that is left of stdout. Raises `SourceUnavailable` where that is more than `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        while chunk := await self.stdout.read(_READ):
            size += len(chunk)
            if size > limit:
                raise SourceUnavailable(f"{self.name} answered more than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    async def wait(self) -> int:
        """The exit status, once the program has ended; a negative number is the signal that ended it."""
        await self._draining
        return await self._process.wait()

    @property
    def stderr(self) -> bytes:
        """What it has said so far, the last 64 KiB; complete after `wait`."""
        return bytes(self._tail)

    async def close(self) -> None:
        """Kill the whole process group, reap the program, close its pipes. May be called more than once."""
        _kill_group(self.pid, self._transport)
        tasks = [task for task in (self._draining, self._feeding) if task is not None]
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                # A stray that left the group may hold the pipes: it must not hold us.
                async with asyncio.timeout(_REAP_SECONDS):
                    await self._process.wait()
        finally:
            self._transport.close()

    async def _drain(self, stderr: asyncio.StreamReader) -> None:
        while chunk := await stderr.read(_STDERR_KEPT):
            self._tail += chunk
            del self._tail[:-_STDERR_KEPT]

    async def _feed(self, data: bytes) -> None:
        # A program that ends before it has read everything says why by its exit status.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(data), _READ):
                self.stdin.write(data[start : start + _READ])
                await self.stdin.drain()
            self.stdin.close()
            await self.stdin.wait_closed()


class _Streams(SubprocessStreamProtocol):
    """Tells whoever waits for the program that it says something."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_READ, loop=loop)
        self._tell = observe.progress.get()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if self._tell is not None:
            self._tell()
        super().pipe_data_received(fd, data)


class Runner:
    """Starts programs. `base_dir` is a private folder: their HOME and TMPDIR are made below it.

    `proxy_env` holds HTTPS_PROXY, HTTP_PROXY, NO_PROXY, ALL_PROXY as far as they are set; each is handed on
    in both spellings, since curl reads `http_proxy` in small letters only. `ca_file` (a PEM bundle that is
    trusted instead of the system's) is handed on as SSL_CERT_FILE; see `ca_file` for
    whoever needs it otherwise. `limits` hold for every program that is not given others.
    """

    def __init__(
        self,
        base_dir: Path,
        *,
        proxy_env: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.ca_file = ca_file
        self._limits = limits or Limits()
        self.home = base_dir / "home"
        temporary = base_dir / "tmp"
        for folder in (self.home, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "TMPDIR": str(temporary),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        if sys.platform == "win32":
            self._environment |= {name: os.environ[name] for name in _WINDOWS_NEEDS if name in os.environ}
            self._environment |= {
                "USERPROFILE": str(self.home),
                "TEMP": str(temporary),
                "TMP": str(temporary),
            }
        for name, value in (proxy_env or {}).items():
            self._environment |= {name.lower(): value, name.upper(): value}
        if ca_file is not None:
            self._environment["SSL_CERT_FILE"] = str(ca_file)

    def finds(self, program: str) -> bool:
        """Whether a program of that name is on the PATH that programs get."""
        return shutil.which(program, path=self._environment["PATH"]) is not None

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float,
        output_limit: int,
        limits: Limits | None = None,
        inherit: Sequence[int] = (),
    ) -> Completed:
        """Run a program to its end, parameters as for `stream`. Any exit status is an answer, not an error.

        Raises `NeedsTool`, `SourceTimeout`, and `SourceUnavailable` beyond `output_limit` bytes of stdout.
        """
        stream = self.stream(argv, cwd=cwd, env=env, timeout=timeout, limits=limits, inherit=inherit)
        async with stream as running:
            running.feed(stdin)
            stdout = await running.read(output_limit)
            returncode = await running.wait()
            observe.going_on()
            return Completed(returncode, stdout, running.stderr)

    @asynccontextmanager
    async def stream(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        timeout: float,
        limits: Limits | None = None,
        inherit: Sequence[int] = (),
    ) -> AsyncIterator[Running]:
        """Start a program and give its streams; at the end of the block it is killed if it still runs.

        `env` is added to the made environment, `timeout` is seconds for the whole block, `inherit` are
        descriptors that the program keeps open (a lock that must outlive this process if that is killed).
        Raises `NeedsTool` where there is no such program, `SourceTimeout` when the time is up.
        """
        running = await self._start(argv, cwd, self._environment | dict(env or {}), inherit)
        _limit(running.pid, limits or self._limits)
        try:
            deadline = asyncio.timeout(timeout)
            try:
                async with deadline:
                    yield running
            except TimeoutError:
                if not deadline.expired():
                    raise
                raise SourceTimeout(f"{running.name} did not finish within {timeout:g} s") from None
        finally:
            await running.close()

    async def _start(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], inherit: Sequence[int]
    ) -> Running:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: _Streams(loop),
                *argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=str(cwd),
                env=env,
                pass_fds=tuple(inherit),
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError) as error:
            # The system names one of the two only: the program, or the folder to start it in.
            if error.filename == str(cwd):
                raise SourceUnavailable(f"{argv[0]} could not be started: its folder is gone") from error
            raise NeedsTool(f"{argv[0]} is needed for this and is not on the server") from error
        return Running(argv[0], transport, Process(transport, protocol, loop))


def _kill_group(pid: int, transport: asyncio.SubprocessTransport) -> None:
    """Kill a program and everything it has started. Its group may outlive it, so it is killed in any case."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            transport.kill()
        else:
            os.killpg(pid, signal.SIGKILL)


def _limit(pid: int, limits: Limits) -> None:
    """Hand the limits to the kernel: after the start, since between fork and exec Python is not safe.

    So a program may have started others meanwhile, which are looked for; those to come inherit the limits.
    """
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - exists on Unix alone

        kinds = (
            (resource.RLIMIT_DATA, limits.memory),
            (resource.RLIMIT_FSIZE, limits.file_size),
            (resource.RLIMIT_CORE, 0),
        )
        for kind, value in kinds:
            if value is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
                    resource.prlimit(pid, kind, (value, value))
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                _limit(int(child), limits)


async def foreground(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program for the user: in the terminal, folder and environment of this process, with `env` added.

    Returns its exit status, or 128 + the signal that ended it, as a shell has it. Signals that would end this process
    are handed on to the program instead. Raises `NeedsTool` where there is no such program.
    """
    loop = asyncio.get_running_loop()
    early: list[int] = []
    program: Process | None = None

    def hand_on(number: int) -> None:
        # What is typed at a terminal goes to its whole foreground group: the program has it already.
        if number in {signal.SIGINT, getattr(signal, "SIGQUIT", None)} and _in_foreground():
            return
        if program is None:
            early.append(number)
        else:
            _signal(program, number)

    names = () if sys.platform == "win32" else ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    for name in names:
        loop.add_signal_handler(signal.Signals[name], hand_on, signal.Signals[name])
    try:
        program = await asyncio.create_subprocess_exec(*argv, env={**os.environ, **env})
        for number in early:
            _signal(program, number)
        status = await program.wait()
    except OSError as error:
        raise NeedsTool(f"{argv[0]} could not be started: {error.strerror}") from error
    finally:
        for name in names:
            loop.remove_signal_handler(signal.Signals[name])
        if program is not None and program.returncode is None:
            _signal(program, None)
            await program.wait()
    return status if status >= 0 else 128 - status


def _signal(program: Process, number: int | None) -> None:
    """Send a signal, or kill. Not by `send_signal`, which may take the exit status away from whoever waits for it."""
    if program.returncode is not None:
        return
    if sys.platform == "win32":
        program.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(program.pid, signal.SIGKILL if number is None else number)


def _in_foreground() -> bool:
    """Whether keys typed at this process's terminal reach it as signals."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
