"""`goproxy-mirror import`: takes over what other programs, other stores and bundles hold."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer

from goproxy_mirror.cli.importreport import ImportReport
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.progress import end_on_sigterm
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.errors import MirrorError, SettingError

REFUSED, UNPROVEN = 1, 3


@with_settings(*NOT_LISTENING)
def import_(
    loaded: Loaded,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Folders (GOMODCACHE, GOPATH, a goproxyio or Athens folder, a store), bundles (- is standard input), URLs.",
        ),
    ],
    layout: Annotated[
        str,
        typer.Option("--layout", metavar="NAME", help="goproxy or athens; otherwise each folder shows it."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Lines of JSON instead of sentences.")] = False,
) -> int:
    """Take over modules from elsewhere. Each file is proven on the way in, exactly as if it had been fetched.

    It may run beside serve, and again: what is here already is passed over. A folder is only read.

    The status is 1 if anything was refused, else 3 if anything could not be proven now.

    \b
    Examples:
      goproxy-mirror import ~/go/pkg/mod
      goproxy-mirror import /var/lib/athens /srv/goproxyio-cache
      goproxy-mirror import https://old-mirror.example
      goproxy-mirror import bundle.tar.zst
    """
    chosen = _layout(layout)
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    settings = app.prepare(quietly(loaded))
    try:
        return asyncio.run(_import(settings, sources, chosen, as_json=as_json))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM


async def _import(
    settings: Settings, sources: list[str], layout: Literal["goproxy", "athens"] | None, *, as_json: bool
) -> int:
    from goproxy_mirror import app  # noqa: PLC0415

    end_on_sigterm()
    with ImportReport(as_json=as_json) as report:
        for source in sources:
            report.source = source if len(sources) > 1 else ""
            try:
                async with app.open_import(settings, source, layout) as opened:
                    report.expect(opened.files)
                    await opened.run(report.done)
            except MirrorError as error:
                error.message = f"{source}: {error.message}" if report.source else error.message
                raise
        report.whole = True
    return REFUSED if report.refused else UNPROVEN if report.unproven else 0


def _layout(text: str) -> Literal["goproxy", "athens"] | None:
    match text:
        case "":
            return None
        case "goproxy" | "athens":
            return "athens" if text == "athens" else "goproxy"
        case _:
            raise SettingError(f'--layout "{text}": there is no such layout; allowed are goproxy and athens')
