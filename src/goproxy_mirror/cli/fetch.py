"""`goproxy-mirror fetch`: fills the store beforehand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from goproxy_mirror.cli.fetchreport import FetchReport
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.run import for_one_command
from goproxy_mirror.cli.wanted import Wanted, from_argument, from_go_mod, from_go_sum, once
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.errors import SettingError


@with_settings(*NOT_LISTENING)
def fetch(
    loaded: Loaded,
    modules: Annotated[
        list[str] | None,
        typer.Argument(metavar=r"MODULE[@VERSION]", help="Modules; without a version, the latest."),
    ] = None,
    go_mod: Annotated[
        list[Path] | None, typer.Option("--go-mod", metavar="FILE", help="Whatever this go.mod requires.")
    ] = None,
    go_sum: Annotated[
        list[Path] | None, typer.Option("--go-sum", metavar="FILE", help="Whatever this go.sum names.")
    ] = None,
) -> int:
    """Fetch modules into the store, so that they are there when somebody asks.

    The status is 1 if any of them could not be fetched.

    \b
    Examples:
      goproxy-mirror fetch golang.org/x/text rsc.io/quote@v1.5.2
      goproxy-mirror fetch --go-mod go.mod --go-sum go.sum
    """
    wanted = [from_argument(text) for text in modules or ()]
    for file in go_mod or ():
        wanted += from_go_mod(file)
    for file in go_sum or ():
        wanted += from_go_sum(file)
    if not (modules or go_mod or go_sum):
        raise SettingError(
            "fetch: nothing to fetch was named; allowed are MODULE[@VERSION], --go-mod, --go-sum"
        )
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    # What is named is fetched, and nothing that a client might ask for afterwards.
    settings = app.prepare(for_one_command(loaded).model_copy(update={"fetch_ahead": 0}))
    return asyncio.run(_fetch(settings, once(wanted)))


async def _fetch(settings: Settings, wanted: list[Wanted]) -> int:
    from goproxy_mirror import app  # noqa: PLC0415
    from goproxy_mirror.cli.fetching import Fetcher  # noqa: PLC0415

    async with app.open_services(settings) as services:
        with FetchReport(len(wanted)) as report:
            await Fetcher(services.modules, parallel=settings.parallel_fetches).fetch(wanted, report.done)
    return 1 if report.failed else 0
