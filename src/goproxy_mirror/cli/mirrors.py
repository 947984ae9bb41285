"""`goproxy-mirror mirrors`: where modules come from, and how those places are doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console

from goproxy_mirror.cli import plain
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.config.values import seconds
from goproxy_mirror.errors import SettingError
from goproxy_mirror.ports import HostHealth, Lie
from goproxy_mirror.ports.inspection import Listing, Rule, RuleKind, Trial, TriedRule

program = typer.Typer(help="Where modules come from, and how those places are doing.", no_args_is_help=False)

_TITLES: dict[RuleKind, str] = {
    "own": "Your mirror rules",
    "built-in": "Built-in mirror rules",
    "rewrite": "Rewrites: any repository below the left side may also be had below the right side",
    "upstream": "Upstreams",
    "sumdb": "Checksum databases",
    "toolchains": "Go toolchains",
    "vulndb": "Vulnerabilities",
}
_MOST_LIES = 20


@program.command(name="list")
@with_settings(*NOT_LISTENING)
def list_(
    loaded: Loaded,
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN", help="A module path, a rule's left side, or a glob over left sides."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of sentences.")] = False,
) -> None:
    """Show every rule in force, its places in the order in which they would be asked now, and what is known of the hosts.

    Nobody is asked. What a running server knows is a minute old at most; which hosts it leaves alone just now it keeps to itself.

    \b
    Examples:
      goproxy-mirror mirrors list
      goproxy-mirror mirrors list golang.org/x/text
      goproxy-mirror mirrors list 'k8s.io/*' --json
    """
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    listing = asyncio.run(app.list_places(quietly(loaded), pattern))
    if as_json:
        _say_listing_as_json(listing)
    else:
        _say_listing(listing, loaded.settings)


@program.command(name="test")
@with_settings(*NOT_LISTENING)
def try_(
    loaded: Loaded,
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERN|MODULE", help="Rules as for `mirrors list`, or modules to try them by."
        ),
    ] = None,
    timeout: Annotated[
        str,
        typer.Option(
            "--timeout", metavar="TIME", help="For everything together (default 60s).", show_default=False
        ),
    ] = "60s",
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of a table.")] = False,
) -> int:
    """Try each place with small real requests: which versions it has, and whether the newest go.mod is the recorded one.

    A rule with {names} is tried by a module that you name, else by a stored one, or one that is built in. Lies are remembered.

    The status is 1 if a rule has no place that lives.

    \b
    Examples:
      goproxy-mirror mirrors test
      goproxy-mirror mirrors test golang.org/x/text
      goproxy-mirror mirrors test 'k8s.io/*' sum.golang.org --timeout 2m
    """
    try:
        patience = seconds(1, 3600)(timeout)
    except ValueError as error:
        raise SettingError(f'--timeout "{timeout}": {error}') from None
    return asyncio.run(_test(quietly(loaded), wanted or [], patience, as_json=as_json))


async def _test(settings: Settings, wanted: Sequence[str], patience: float, *, as_json: bool) -> int:
    from goproxy_mirror import app  # noqa: PLC0415

    async with app.open_inspection(settings) as inspection:
        said = _say_trials_as_json if as_json else _say_trials
        with Console(stderr=True).status("trying…"):
            tried = await inspection.bench.tried(wanted, timeout=patience)
        for rule in tried:
            said(rule)
        await inspection.keep_health()
    return 1 if any(rule.is_dead for rule in tried) else 0


def _say_listing(listing: Listing, settings: Settings) -> None:
    for kind, group in groupby(listing.rules, lambda rule: rule.kind):
        typer.echo(_TITLES[kind])
        for rule in group:
            _say_rule(rule)
    typer.echo(f"Order at direct: {', then '.join(settings.order)}")
    if listing.hosts:
        _say_hosts(listing.hosts)
    if listing.lies:
        _say_lies(listing.lies)
    if listing.unknown:
        typer.echo(f"How the hosts have answered is not known: {listing.unknown}", err=True)


def _say_rule(rule: Rule) -> None:
    note = f"  ({rule.note})" if rule.note and rule.kind != "upstream" else ""
    typer.echo(f"  {rule.left}{note}")
    if rule.kind == "upstream":
        typer.echo(f"    {rule.note}")
        return
    for number, place in enumerate(rule.places, 1):
        typer.echo(f"    {number}  {place.url}")
    if not rule.places:
        typer.echo("    off")


def _say_hosts(hosts: Sequence[HostHealth]) -> None:
    width = max(len("Hosts"), *(len(each.host) for each in hosts)) + 2
    typer.echo(
        f"{'Hosts':<{width}}{'answers in':>10}  {'95% within':>10}  {'failed':>6}  {'requests':>8}  last"
    )
    for each in sorted(hosts, key=lambda each: each.host):
        slow = plain.took(each.slow or None)
        line = (
            f"{each.host:<{width}}{plain.took(each.seconds or None):>10}  {slow:>10}  {each.failures:>6.0%}"
        )
        typer.echo(f"{line}  {each.requests:>8,}  {plain.ago(each.seen)}")


def _say_lies(lies: Sequence[Lie]) -> None:
    typer.echo("Lies of the last 30 days, the newest first")
    for lie in lies[:_MOST_LIES]:
        typer.echo(f"  {plain.date(lie.at)}  {lie.home.name}")
        typer.echo(f"    {lie.mv}{lie.kind}")
        typer.echo(f"      it brought {lie.brought}")
        typer.echo(f"      known is   {lie.known}")
    if len(lies) > _MOST_LIES:
        typer.echo(f"  and {len(lies) - _MOST_LIES:,} more (--json shows all)")


def _say_listing_as_json(listing: Listing) -> None:
    for rule in listing.rules:
        places = [{"url": place.url, "host": place.host} for place in rule.places]
        plain.say_json({"kind": rule.kind, "left": rule.left, "places": places, "note": rule.note or None})
    for host in listing.hosts:
        plain.say_json(
            {
                "host": host.host,
                "seconds": round(host.seconds, 4),
                "slow": round(host.slow, 4) or None,
                "failures": round(host.failures, 4),
                "requests": host.requests,
                "seen": plain.at(host.seen),
            }
        )
    for lie in listing.lies:
        plain.say_json(
            {
                "lied": lie.home.name,
                "module": lie.mv.path.value,
                "version": lie.mv.version.value,
                "file": lie.kind,
                "brought": lie.brought,
                "known": lie.known,
                "at": plain.at(lie.at),
            }
        )


def _say_trials(rule: TriedRule) -> None:
    by = f"  by {rule.module}" if rule.module and rule.module != rule.left else ""
    typer.echo(f"{rule.left}{by}")
    if rule.note:
        typer.echo(f"  {rule.note}")
    for trial in rule.trials:
        typer.echo(
            f"  {trial.word.value:<18}  {plain.took(trial.seconds):>7}  {_count(trial):>12}  {trial.place.url}"
        )
        if trial.reason:
            typer.echo(f"    {trial.reason}")


def _count(trial: Trial) -> str:
    if trial.versions is None:
        return ""
    return "1 version" if trial.versions == 1 else f"{trial.versions:,} versions"


def _say_trials_as_json(rule: TriedRule) -> None:
    common = {"kind": rule.kind, "left": rule.left, "module": rule.module or None, "note": rule.note or None}
    if not rule.trials:
        plain.say_json(common)
    for trial in rule.trials:
        plain.say_json(
            {
                **common,
                "url": trial.place.url,
                "verdict": trial.word.value,
                "seconds": None if trial.seconds is None else round(trial.seconds, 3),
                "versions": trial.versions,
                "reason": trial.reason or None,
            }
        )
