"""`goproxy-mirror reindex`: what is known of the store written down anew, from the store itself."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Annotated

import typer

from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.plain import files, say_json, size, versions
from goproxy_mirror.cli.progress import ProgressLine, end_on_sigterm
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.mirror.reindexing import Progress


@with_settings(*NOT_LISTENING)
def reindex(
    loaded: Loaded,
    hashes: Annotated[
        bool,
        typer.Option(
            "--hashes/--no-hashes",
            help="Read each file whose hash is not recorded, and record it (default).",
            show_default=False,
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of sentences.")] = False,
) -> int:
    """Write down anew what the state database has to know of the store, and each @v/list.

    That is sizes, hashes, times, pins and the feeds: for a database that was lost, or a store from elsewhere.

    What is recorded stays; interrupted, it goes on the next time. It may run beside serve. What it hashes is not proven by that:
    verify does so.

    The status is 1 if a file could not be read.

    \b
    Examples:
      goproxy-mirror reindex
      goproxy-mirror reindex --no-hashes --json
    """
    try:
        return asyncio.run(_reindex(quietly(loaded), hashes=hashes, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM


async def _reindex(settings: Settings, *, hashes: bool, as_json: bool) -> int:
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    end_on_sigterm()
    with _Report(as_json=as_json) as report:
        async with app.open_keeping(settings) as keeping:
            await keeping.pins.restore()
            done = await keeping.reindexing.run(report.told, hashes=hashes)
    report.summary(done)
    return 1 if report.problems else 0


class _Report:
    """A line that turns at a terminal, else one now and then; a summary."""

    def __init__(self, *, as_json: bool) -> None:
        self.problems = 0
        self._json = as_json
        self._began = time.monotonic()
        self._line = ProgressLine("reindex", "reindexing")

    def told(self, progress: Progress) -> None:
        """Show how far it has come."""
        if progress.problem is not None:
            self.problems += 1
            if self._json:
                say_json({"verdict": "unreadable", "reason": progress.problem})
            else:
                self._line.say(f"unreadable  {progress.problem}")
            return
        text = f"{files(progress.files)} looked at, {progress.recorded:,} recorded, {progress.fed:,} entered"
        self._line.show(text)

    def __enter__(self) -> _Report:
        self._line.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def summary(self, done: Progress) -> None:
        """Say what was done."""
        seconds = time.monotonic() - self._began
        if self._json:
            counts = {
                "files": done.files,
                "recorded": done.recorded,
                "dropped": done.dropped,
                "lists": done.lists,
                "entered": done.fed,
                "missing": done.missing,
                "unreadable": self.problems,
            }
            say_json({"summary": counts, "bytes": done.size, "seconds": round(seconds, 3)})
            return
        lists = "1 list" if done.lists == 1 else f"{done.lists:,} lists"
        typer.echo(
            f"{files(done.files)} in {seconds:.1f} s: {done.recorded:,} recorded ({size(done.size)}), {done.dropped:,} forgotten "
            f"that are not there, {versions(done.fed)} entered into the feeds, {lists} made anew"
            + (f", {versions(done.missing)} not there that nobody took out" if done.missing else "")
            + (f", {self.problems:,} that could not be read" if self.problems else "")
        )
