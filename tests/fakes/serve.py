"""A real server, in a process of its own, with fakes behind it: `python -m tests.fakes.serve FOLDER OPTIONS`.

`OPTIONS` is JSON: the fields of `ServerOptions` as keywords, and `prefix`. The address is printed once it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from goproxy_mirror.errors import SettingError, StorageError
from goproxy_mirror.mirror.answers import FileAnswer, Lasting, TextAnswer
from goproxy_mirror.observe import start_log
from goproxy_mirror.protocol import Request
from goproxy_mirror.web.listening import TLSFiles
from goproxy_mirror.web.routes import Site
from goproxy_mirror.web.rsgi import App
from goproxy_mirror.web.server import ServerOptions, serve
from goproxy_mirror.web.services import Services
from tests.fakes.services import FakeJourney, FakeWorld

LARGE = 60_000_000
ZIP_KEY = "x.test/m/@v/v1.0.0.zip"
MOD_KEY = "x.test/m/@v/v1.0.0.mod"
PID_KEY = "x.test/pid/@latest"
LASTING_KEY = "x.test/lasting/@v/v1.0.0.mod"
GATED_KEY = "x.test/gated/@latest"
STUCK_KEY = "x.test/stuck/@latest"
PIPE = "pipe"
"""A named pipe: who asks for STUCK_KEY makes the event loop stand still until somebody has written to it."""
GATE = "gate"
"""The file whose appearance lets a request for GATED_KEY go on; its handler says `waiting` in the file beside it."""


BROKEN = "/broken"
"""With this prefix, no worker can open its services."""


def broken() -> AbstractAsyncContextManager[Services]:
    """Services that cannot be opened."""
    raise StorageError("the store is not there")


CRASH = "crash"
"""The file whose appearance makes the services of one worker fail; they take it away."""


@asynccontextmanager
async def fragile(world: FakeWorld, folder: Path) -> AsyncIterator[Services]:
    """The world's services, beside a task that fails when it is told to."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.02)
            with suppress(FileNotFoundError):
                (folder / CRASH).unlink()
                raise AssertionError("told to fail")

    async with world.open() as services, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        yield services
        watching.cancel()


class GatedJourney(FakeJourney):
    """Lets one key wait for a file, which another process can make."""

    async def answer(self, request: Request, *, fetch: bool = True) -> FileAnswer | TextAnswer:
        """As the fake does, once the gate is open."""
        if request.key == GATED_KEY:
            (self.folder / f"{GATE}.waiting").touch()
            while not (self.folder / GATE).exists():
                await asyncio.sleep(0.02)
        if request.key == STUCK_KEY:
            (self.folder / PIPE).read_bytes()
        return await super().answer(request, fetch=fetch)


def make_app(folder: Path, prefix: str) -> App:
    """What each worker calls: a world that holds a large zip, a go.mod, and the worker's own number."""
    start_log("warning", "console")
    world = FakeWorld.at(folder)
    world.modules = GatedJourney(folder)
    world.modules.hold_written(ZIP_KEY)
    world.modules.hold_written(MOD_KEY)
    world.modules.hold_text(PID_KEY, str(os.getpid()).encode())
    world.modules.hold_text(GATED_KEY, b"{}")
    world.modules.hold_text(STUCK_KEY, b"{}")
    world.modules.hold_written(LASTING_KEY, lasting=Lasting())
    if prefix == BROKEN:
        return App(broken, Site("goproxy-mirror-fake"))
    return App(partial(fragile, world, folder), Site("goproxy-mirror-fake", prefix))


def main(folder: str, options: str) -> int:
    """Serve; the exit status."""
    told: dict[str, Any] = json.loads(options)
    prefix = told.pop("prefix", "")
    if "tls" in told:
        told["tls"] = TLSFiles(*(Path(path) for path in told["tls"]))
    if "unix_socket" in told:
        told["unix_socket"] = Path(told["unix_socket"])
    files = FakeJourney(Path(folder))
    files.hold_file(ZIP_KEY, bytes(LARGE))
    files.hold_file(MOD_KEY, b"module x.test/m\n")
    files.hold_file(LASTING_KEY, b"module x.test/lasting\n")
    try:
        return serve(
            ServerOptions(**told),
            partial(make_app, Path(folder), prefix),
            announce=partial(print, flush=True),
        )
    except SettingError as error:
        print(error.message, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
