"""`goproxy-mirror sumdb`: the checksum databases, and what they have proven."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from goproxy_mirror.cli import plain
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.errors import SettingError
from goproxy_mirror.ports import FileCounts
from goproxy_mirror.ports.inspection import DatabaseReport, PlaceReport

program = typer.Typer(help="The checksum databases that modules are proven by.", no_args_is_help=False)

_PATIENCE = 20.0


@program.command()
@with_settings(*NOT_LISTENING)
def status(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of sentences.")] = False,
) -> int:
    """Ask every place of every checksum database for its newest tree, and say whether it agrees with what is known here.

    The status is 1 if a database has shown two histories, or if the one that proves modules cannot be asked.

    \b
    Examples:
      goproxy-mirror sumdb status
      goproxy-mirror sumdb status --json
    """
    settings = quietly(loaded)
    reports, counts = asyncio.run(_asked(settings))
    proving = [each for each in reports if each.name == settings.gosumdb.name]
    if as_json:
        for report in reports:
            plain.say_json(_as_json(report))
        plain.say_json(_settings_as_json(settings, counts))
    else:
        for report in reports:
            _say(report)
        _say_settings(settings, counts)
    is_forked = any(report.evidence for report in reports)
    is_lost = any(not any(place.agrees for place in report.places) for report in proving)
    return 1 if is_forked or is_lost else 0


@program.command(name="forget-fork")
@with_settings(*NOT_LISTENING)
def forget_fork(
    loaded: Loaded,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The database, as `sumdb status` names it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    and_tree: Annotated[
        bool,
        typer.Option("--and-tree", help="Forget our newest tree too: whatever it shows next is believed."),
    ] = False,
) -> int:
    """Remove the evidence that a checksum database has shown two histories, so that it is believed again.

    The evidence is printed first: keep it, and show it to whoever runs the database. It comes back where the fork does.

    \b
    Examples:
      goproxy-mirror sumdb forget-fork sum.golang.org > evidence.txt
      goproxy-mirror sumdb forget-fork sum.corp.example --and-tree --yes
    """
    return asyncio.run(_forget(quietly(loaded), name, and_tree=and_tree, yes=yes))


async def _asked(settings: Settings) -> tuple[Sequence[DatabaseReport], FileCounts]:
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    async with app.open_inspection(settings) as inspection:
        reports = await inspection.databases(timeout=_PATIENCE)
        await inspection.keep_health()
        return reports, await inspection.counts()


async def _forget(settings: Settings, name: str, *, and_tree: bool, yes: bool) -> int:
    from goproxy_mirror import app  # noqa: PLC0415

    async with app.open_inspection(settings) as inspection:
        evidence = await inspection.evidence(name)
        if evidence is None and not and_tree:
            raise SettingError(f'"{name}": there is no evidence that this database has shown two histories')
        if evidence is not None:
            typer.echo(evidence.decode("utf-8", "replace"))
        if not yes:
            if not sys.stdin.isatty():
                raise SettingError(
                    "sumdb forget-fork: nobody is there to be asked; allowed is --yes, which says that you are sure"
                )
            question = f"Believe {name} again"
            await asyncio.to_thread(typer.confirm, f"{question}?", abort=True, err=True)
        await inspection.forget_fork(name, and_tree=and_tree)
    more = ", and its newest tree with it" if and_tree else ""
    typer.echo(f"The evidence against {name} is removed{more}.", err=True)
    return 0


def _say(report: DatabaseReport) -> None:
    title = report.name + (f"  key {report.key}" if report.key else "")
    typer.echo(f"{title}  proves {report.proves}" if report.proves else title)
    if report.evidence:
        since = f" (found {plain.date(report.forked)})" if report.forked else ""
        typer.echo(f"  FORKED: it has signed two different histories{since}.")
        typer.echo(
            "  Nothing that it says is believed, and nothing new is published. What is stored is served."
        )
        typer.echo("  Find out which history others see, and tell whoever runs it. To believe it again:")
        typer.echo(f"    goproxy-mirror sumdb forget-fork {report.name}")
    if report.size is not None and report.advanced is not None:
        age = plain.ago(report.advanced)
        typer.echo(f"  newest verified tree: {report.size:,} records, seen {age}")
    elif report.key:
        typer.echo("  newest verified tree: none yet")
    for place in report.places:
        typer.echo(f"  {place.url}")
        typer.echo(f"    {_words(place, forked=bool(report.evidence))}")
    if not report.places:
        typer.echo("  no place: the settings name none")


def _words(place: PlaceReport, *, forked: bool) -> str:
    if place.agrees:
        words = (
            f"reachable, {plain.took(place.seconds)}: a tree of {place.size:,} records, one history with ours"
        )
    elif place.agrees is False and forked:
        words = f"reachable, {plain.took(place.seconds)}: not believed, because of the two histories"
    elif place.agrees is False:
        words = f"NOT BELIEVED: {place.reason}"
    elif place.seconds is not None:
        words = f"reachable, {plain.took(place.seconds)}: {place.reason}"
    else:
        words = f"cannot be asked: {place.reason}"
    known = place.health
    if known is not None and known.requests:
        requests = "1 request" if known.requests == 1 else f"{known.requests:,} requests"
        time = plain.took(known.seconds or None)
        words += f"\n    before: {requests}, {known.failures:.0%} failed, answers in {time}"
    return words


def _say_settings(settings: Settings, counts: FileCounts) -> None:
    typer.echo("Published go.mod files and zips")
    typer.echo(f"  proven by a database: {counts.proven - counts.pinned:,}")
    typer.echo(f"  as they were first seen (pinned): {counts.pinned:,}")
    typer.echo(f"  unproven: {counts.unproven:,}")
    typer.echo("Settings")
    typer.echo(f"  gosumdb: {settings.gosumdb}")
    wait = "modules wait for a database that cannot be reached"
    prefer = "modules are published unproven while the database cannot be reached"
    typer.echo(f"  verify: {settings.verify} ({wait if settings.verify == 'require' else prefer})")
    typer.echo(f"  not asked about (gonosumdb): {','.join(settings.gonosumdb) or 'nothing'}")
    typer.echo(f"  private: {','.join(settings.private) or 'nothing'}")
    if not settings.gosumdb.name:
        typer.echo(
            "The database is off: a module has to stay what it was when it was first seen, and no more."
        )


def _as_json(report: DatabaseReport) -> dict[str, object]:
    return {
        "database": report.name,
        "key": report.key or None,
        "proves": report.proves or None,
        "forked": bool(report.evidence),
        "forked_at": plain.at(report.forked),
        "evidence": base64.b64encode(report.evidence).decode() if report.evidence else None,
        "records": report.size,
        "seen": plain.at(report.advanced),
        "places": [_place_as_json(place) for place in report.places],
    }


def _place_as_json(place: PlaceReport) -> dict[str, object]:
    said: dict[str, object] = {
        "url": place.url,
        "answers": place.seconds is not None,
        "seconds": None if place.seconds is None else round(place.seconds, 3),
        "records": place.size,
        "agrees": place.agrees,
        "reason": place.reason or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _settings_as_json(settings: Settings, counts: FileCounts) -> dict[str, object]:
    return {
        "gosumdb": str(settings.gosumdb),
        "verify": settings.verify,
        "gonosumdb": list(settings.gonosumdb),
        "private": list(settings.private),
        "proven": counts.proven - counts.pinned,
        "pinned": counts.pinned,
        "unproven": counts.unproven,
    }
