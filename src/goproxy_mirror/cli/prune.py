"""`goproxy-mirror prune`: old versions taken out of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, TypeVar

import typer

from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.progress import end_on_sigterm
from goproxy_mirror.cli.prunereport import PruneReport
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.config.values import parse_bytes, seconds
from goproxy_mirror.errors import SettingError
from goproxy_mirror.mirror.pruning import Rules
from goproxy_mirror.mirror.selection import Selection
from goproxy_mirror.mirror.spool import spooled

T = TypeVar("T")

_LONGEST = 36500 * 86400.0


@with_settings(*NOT_LISTENING)
def prune(
    loaded: Loaded,
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="TIME", help="Versions that came longer ago than that (90d)."),
    ] = "",
    unused_for: Annotated[
        str,
        typer.Option("--unused-for", metavar="TIME", help="Versions nobody has asked for in that time."),
    ] = "",
    max_size: Annotated[
        str,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Until the store is no larger (50GB): those first that nobody has asked for the longest.",
        ),
    ] = "",
    match: Annotated[
        list[str] | None,
        typer.Option(
            "--match", metavar=r"MODULE[@VERSION]", help="Only these; globs as in GOPRIVATE. May be repeated."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar=r"MODULE[@VERSION]", help="Never these. May be repeated."),
    ] = None,
    zips_only: Annotated[
        bool, typer.Option("--zips-only", help="Of each version the zip alone, which is what is large.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; else they are only shown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of sentences.")] = False,
) -> int:
    """Show which versions would be removed from the store, and remove them with --yes.

    What is said narrows: a version goes if all of it fits. What is pinned stays (private modules, and all others outside every
    checksum database): nobody else could say what it has to be. It may run beside serve; what is removed is fetched again when
    somebody asks for it.

    The status is 1 if something could not be removed.

    \b
    Examples:
      goproxy-mirror prune --unused-for 180d
      goproxy-mirror prune --max-size 50GB --keep 'corp.example/*' --yes
      goproxy-mirror prune --match 'github.com/x/*' --older-than 90d --zips-only --yes
    """
    unknown = _why_uses_are_unknown(loaded.settings)
    if unknown and unused_for:
        raise SettingError(
            f"prune: --unused-for: {unknown}; allowed are --older-than, --max-size and --match"
        )
    rules = Rules(
        older_than=_read("--older-than", older_than, seconds(0, _LONGEST)),
        unused_for=_read("--unused-for", unused_for, seconds(0, _LONGEST)),
        max_size=_read("--max-size", max_size, parse_bytes),
        matching=tuple(Selection.parse(text) for text in match or ()),
        keep=tuple(Selection.parse(text) for text in keep or ()),
        zips_only=zips_only,
        by_age=bool(unknown),
    )
    narrowing = [each.name for each in fields(rules) if each.name not in {"keep", "zips_only", "by_age"}]
    if all(getattr(rules, name) in {None, ()} for name in narrowing):
        raise SettingError(
            "prune: it has to be said what is to go; allowed are --older-than, --unused-for, --max-size and --match"
        )
    try:
        return asyncio.run(_prune(quietly(loaded), rules, yes=yes, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM


def _why_uses_are_unknown(settings: Settings) -> str:
    """Why nobody can say what is asked for; empty where it is known."""
    if settings.front != "off":
        return f'with front = "{settings.front}" most requests are answered there, and counted by nobody'
    return "" if settings.track_use else "with track_use = false nobody counts what is asked for"


def _read(flag: str, text: str, parse: Callable[[object], T]) -> T | None:
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise SettingError(f'{flag} "{text}": {error}') from None


async def _prune(settings: Settings, rules: Rules, *, yes: bool, as_json: bool) -> int:
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    end_on_sigterm()
    async with app.open_keeping(settings) as keeping:
        store = await keeping.records.sizes()
        if not store.versions:
            raise SettingError(
                "prune: nothing is recorded of this store; `goproxy-mirror reindex` writes down what it holds"
            )
        if rules.unused_for is not None and store.tracked is None:
            raise SettingError(
                "prune: --unused-for: no use was ever written down here (track_use), or no request has come yet; allowed are "
                "--older-than, --max-size and --match"
            )
        with spooled() as spool:
            plan = await keeping.pruning.plan(rules, spool)
            with PruneReport(plan, store, removing=yes, as_json=as_json) as report:
                if not yes:
                    for chosen in plan.each():
                        report.would_go(chosen)
                    report.whole = True
                    return 0
                async for outcome in keeping.pruning.carry_out(plan):
                    report.done(outcome)
                report.whole = True
            return 1 if report.failed else 0
