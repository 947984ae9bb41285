"""The HTTP server: Granian with its traps shut, in worker processes (`serve`) or in the running loop (`embedded`).

A worker is a process of its own that builds its application from a picklable factory. One that dies is replaced;
SIGTERM and SIGINT end the server when its running answers are sent, or when `drain` is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server as WorkerServer
from granian.server.embed import Server as EmbeddedServer

from goproxy_mirror.errors import SettingError
from goproxy_mirror.web.front.life import Front, FrontOptions, prepared
from goproxy_mirror.web.front.plan import Plan
from goproxy_mirror.web.listening import Address, TLSFiles, check_tls, check_unix_socket, reserved
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.waiting import Wakeup
from goproxy_mirror.web.worker import MakeApp, load

FORKED = sys.platform == "linux"
"""Whether workers begin with what this process has imported."""
_SPARE_FILES = 512
"""Open files that a worker needs for its other work, beside one for every connection."""
_KEPT_OPEN = 16384
"""Files that a front holds open at most, to send them again; it and its connections share what it may open."""
_HEADER_BUFFER = 64 * 1024
_BACKLOG = 4096
"""Connections that may wait to be taken: a herd that comes at once waits here, and not for its own retries."""
_READERS = 16
"""Threads of a worker that read large files; each that has ever read one keeps some memory, and Granian would start 512."""
_OWN_LOG: dict[str, Any] = {
    "version": 1,
    "incremental": True,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}},
}
"""The server's own log goes where the rest of ours goes; incremental, or else it would close everybody's handlers."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how to serve. A Unix socket takes the place of host and port; times are in seconds.

    `host` may be empty (every interface), `port` 0 (any free one). `connections` bounds those of one worker, the idle
    ones too. `header_timeout` also ends idle connections. A stalled reader is not timed out: that is a front's work.
    """

    host: str = "127.0.0.1"
    port: int = 8081
    unix_socket: Path | None = None
    unix_socket_mode: int | None = None
    workers: int = 1
    tls: TLSFiles | None = None
    http2: bool = False
    connections: int = 16384
    header_timeout: float = 30.0
    drain: float = 60.0
    front: FrontOptions | None = None


def serve(options: ServerOptions, make_app: MakeApp, *, announce: Callable[[str], None] | None = None) -> int:
    """Serve until a signal ends it; the exit status: 0, or 1 where workers cannot start or keep dying.

    `make_app` must be picklable: every worker calls it.

    With a front, that is what listens at the address, and the workers behind it; its end is the end of the server.

    `announce` is called once with the address (`http://127.0.0.1:8081`, `unix:/path`), when connections are answered.
    Raises `SettingError` before anything starts where the address or the certificate cannot be used.
    """
    if options.tls is not None:
        check_tls(options.tls)
    if options.unix_socket is not None:
        check_unix_socket(options.unix_socket)
        if options.front is not None:
            return _serve_behind(options.front, options, None, make_app, announce)
        return _serve(options, None, make_app, announce)
    with reserved(options.host, options.port) as address:
        if options.front is None:
            return _serve(options, address, make_app, announce)
    # A front binds the address by itself, which nobody may hold for it then.
    return _serve_behind(options.front, options, address, make_app, announce)


def _serve_behind(
    chosen: FrontOptions,
    options: ServerOptions,
    address: Address | None,
    make_app: MakeApp,
    announce: Callable[[str], None] | None,
) -> int:
    plan = Plan(
        root=chosen.store,
        workers="",
        address=address or Address("", 0),
        tls=options.tls,
        drain=options.drain,
        processes=options.workers,
        connections=_connections(min(options.connections, _open_files() // 2)),
        kept_open=max(16, min(_KEPT_OPEN, _open_files() // 2 - 64)),
    )
    with prepared(chosen, plan, options.unix_socket) as front:
        behind = replace(options, unix_socket=front.workers, unix_socket_mode=0o600, tls=None, front=None)
        name = _name(options, address)
        told = None if announce is None else lambda _workers: announce(name)
        return _serve(behind, None, make_app, told, front, options.unix_socket_mode)


def _serve(
    options: ServerOptions,
    address: Address | None,
    make_app: MakeApp,
    announce: Callable[[str], None] | None,
    front: Front | None = None,
    front_mode: int | None = None,
) -> int:
    _prepare_workers()
    where: dict[str, Any] = {"uds": options.unix_socket, "uds_permissions": options.unix_socket_mode}
    if address is not None:
        where = {"address": address.host, "port": address.port}
    server = WorkerServer(
        "goproxy_mirror",
        **where,
        **_settings(options),
        workers=options.workers,
        loop=Loops.asyncio if sys.platform == "win32" else Loops.uvloop,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=max(1, round(options.drain)),
    )
    wakeup = Wakeup()
    server.main_loop_interrupt = wakeup  # type: ignore[assignment]
    # Workers that end once everybody was told to end are no errors.
    logging.getLogger("_granian").addFilter(lambda _record: not server.interrupt_signal)
    said = partial(announce, _name(options, address)) if announce is not None else lambda: None
    if front is None:
        wakeup.watch(partial(_connected, options, address), said)
    else:

        def start_front() -> None:
            front.start(front_mode)
            wakeup.watch(front.connected, said)

        def ending() -> bool:
            server.interrupt_signal = server.interrupt_signal or front.failed
            return server.interrupt_signal

        wakeup.watch(partial(_connected, options, address), start_front)
        wakeup.look_after(front, ending, options.drain)
    status = 0
    try:
        server.serve(target_loader=partial(load, make_app), wrap_loader=False)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    if front is not None and front.failed:
        return 1
    # A worker may have seen the terminal's SIGINT before this process told it to end.
    return 0 if server.interrupt_signal else status


@asynccontextmanager
async def embedded(
    app: App, *, host: str = "127.0.0.1", port: int = 0, drain: float = 10.0
) -> AsyncIterator[str]:
    """Serve in the running event loop until the context is left; the value is the URL (without the prefix).

    Running answers are finished at the end, for `drain` seconds at most. Raises `SettingError` like `serve`.
    """
    options = ServerOptions(host=host, port=port)
    with reserved(host, port) as address:
        await app.start()
        try:
            server = EmbeddedServer(
                app.__rsgi__, address=address.host, port=address.port, **_settings(options)
            )
            running = asyncio.create_task(server.serve())
            try:
                while not await asyncio.to_thread(_connected, options, address):
                    if running.done():
                        await running
                        raise SettingError(f'listen = "{address.url("http")}": the server ended by itself')
                    await asyncio.sleep(0.01)
                yield address.url("http")
            finally:
                server.stop()  # type: ignore[no-untyped-call]
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(running, drain)
        finally:
            await app.stop()


def _prepare_workers() -> None:
    """Workers are forked where that is safe: what this process has imported need not be imported by each of them again.

    It is safe while this process has no threads but those of Granian, which wait for a worker's end and hold no lock. A
    signal that comes between a fork and the worker's own handlers would be lost, so those two wait.
    """
    if not FORKED:
        multiprocessing.set_start_method("spawn", force=True)
        return
    multiprocessing.set_start_method("fork", force=True)
    main, signals = os.getpid(), {signal.SIGTERM, signal.SIGINT}

    def mask(how: int) -> None:
        # The workers start programs too, and inherit these hooks.
        if os.getpid() == main:
            signal.pthread_sigmask(how, signals)

    os.register_at_fork(
        before=partial(mask, signal.SIG_BLOCK), after_in_parent=partial(mask, signal.SIG_UNBLOCK)
    )
    gc.collect()
    gc.freeze()  # a collection in a worker would write to every page, and so copy it


def _settings(options: ServerOptions) -> dict[str, Any]:
    """What both kinds of server are told."""
    files = options.tls
    return {
        "interface": Interfaces.RSGI,
        # With "auto", a connection on which nothing ever arrives would be kept for ever.
        "http": HTTPModes.auto if files is not None and options.http2 else HTTPModes.http1,
        "websockets": False,
        "backpressure": _connections(options.connections),
        "runtime_blocking_threads": _READERS,
        "backlog": _BACKLOG,
        "http1_settings": HTTP1Settings(
            header_read_timeout=max(1, round(options.header_timeout * 1000)), max_buffer_size=_HEADER_BUFFER
        ),
        "ssl_cert": files.certificate if files else None,
        "ssl_key": files.key if files else None,
        "ssl_protocol_min": SSLProtocols.tls12,
        "log_level": LogLevels.error,
        "log_dictconfig": _OWN_LOG,
    }


def _connections(wanted: int) -> int:
    """As many connections as are wanted, and as open files allow."""
    return max(64, min(wanted, _open_files() - _SPARE_FILES))


def _open_files() -> int:
    """How many files a process may hold open; raises the soft limit to the hard one first."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource  # noqa: PLC0415 (POSIX only)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _name(options: ServerOptions, address: Address | None) -> str:
    if address is None:
        return f"unix:{options.unix_socket}"
    return address.url("http" if options.tls is None else "https")


def _connected(options: ServerOptions, address: Address | None) -> bool:
    """Whether a connection is taken at the address."""
    try:
        if address is None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(str(options.unix_socket))
        else:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 (compared)
            socket.create_connection((host, address.port), timeout=1).close()
    except OSError:
        return False
    return True
