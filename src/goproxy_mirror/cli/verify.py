"""`goproxy-mirror verify`: the whole store held against the signed record again."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.progress import end_on_sigterm
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.cli.scrubreport import ScrubReport
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.config.values import seconds
from goproxy_mirror.errors import SettingError
from goproxy_mirror.mirror.selection import Selection

QUARANTINED, UNPROVEN = 1, 3


@with_settings(*NOT_LISTENING)
def verify(
    loaded: Loaded,
    modules: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=r"MODULE[@VERSION]", help="Modules, versions, or globs as in GOPRIVATE; else all."
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin anew, instead of going on where an interrupted run ended.")
    ] = False,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Skip what was verified within that time.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of sentences.")] = False,
) -> int:
    """Hash every stored go.mod and zip again, and compare with the signed record; look at each .info and list.

    What is wrong goes into the quarantine folder, and is fetched anew when somebody asks for it. What nobody can vouch for now is
    said and left. It may run beside serve. Interrupted, it goes on the next time.

    The status is 1 if anything was quarantined, else 3 if anything could not be proven.

    \b
    Examples:
      goproxy-mirror verify
      goproxy-mirror verify golang.org/x/text@v0.21.0 'k8s.io/*'
      goproxy-mirror verify --older-than 30d --json
    """
    wanted = [Selection.parse(text) for text in modules or ()]
    if anew and older_than:
        raise SettingError("verify: --anew and --older-than say two different things; allowed is one of them")
    try:
        oldest = time.time() - seconds(0, 3650 * 86400)(older_than) if older_than else None
    except ValueError as error:
        raise SettingError(f'--older-than "{older_than}": {error}') from None
    try:
        return asyncio.run(_verify(quietly(loaded), wanted, oldest, anew=anew, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM


async def _verify(
    settings: Settings, wanted: list[Selection], oldest: float | None, *, anew: bool, as_json: bool
) -> int:
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    end_on_sigterm()
    async with app.open_inspection(settings, of_store=True) as inspection:
        counts = await inspection.scrub.count(wanted)
        absent = [each.text for each in wanted if not counts[each.text]]
        if absent:
            raise SettingError(f"verify: nothing is stored of {', '.join(absent)}")
        unfinished, name = inspection.unfinished, " ".join(sorted(each.text for each in wanted))
        begun = None if anew or oldest is not None else await asyncio.to_thread(unfinished.since, name)
        since = oldest if oldest is not None else begun
        if since is None:
            since = await asyncio.to_thread(unfinished.begin, name)
        with ScrubReport(counts[""], as_json=as_json, went_on=begun) as report:
            await inspection.scrub.run(wanted, since, report.done)
            report.whole = True
        if oldest is None:
            await asyncio.to_thread(unfinished.end, name)
    return QUARANTINED if report.quarantined else UNPROVEN if report.unproven else 0
