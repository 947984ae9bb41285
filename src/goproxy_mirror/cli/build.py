"""`goproxy-mirror build`: one module from one repository, and whether the go command makes the same of it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from goproxy_mirror.cli.options import with_settings
from goproxy_mirror.cli.run import for_one_command
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.errors import NoRepository, SettingError


@with_settings("Private modules", "Network", "Log")
def build(
    loaded: Loaded,
    place: Annotated[str, typer.Argument(metavar="DIR|URL", help="A git repository, on disk or at a URL.")],
    version: Annotated[
        str,
        typer.Option("--version", metavar="VERSION", help="Version, tag, branch or commit; else the latest."),
    ] = "",
    module: Annotated[
        str, typer.Option("--module", metavar="PATH", help="Module path; else the root's go.mod names it.")
    ] = "",
    zip_file: Annotated[
        Path | None, typer.Option("--zip", metavar="FILE", help="Write the module's zip to this file.")
    ] = None,
    compare_with_go: Annotated[
        bool,
        typer.Option("--compare-with-go", help="Let the go command build it too, and show the differences."),
    ] = False,
) -> int:
    """Build a module from a git repository, and say its .info and its lines for go.sum.

    With --compare-with-go, the status is 1 if the go command makes anything else of it.

    \b
    Examples:
      goproxy-mirror build .
      goproxy-mirror build https://github.com/rsc/quote --version v1.5.2 --zip quote.zip
      goproxy-mirror build ../mono --module corp.example/mono/log --version v0.3.0 --compare-with-go
    """
    with tempfile.TemporaryDirectory(prefix="goproxy-mirror-") as temporary:
        folder = Path(temporary)
        own = {"data": folder, "state": folder / "state", "store": folder / "store"}
        settings = for_one_command(loaded).model_copy(update=own)
        try:
            return asyncio.run(
                _build(settings, _url(place), version, module, zip_file, compare=compare_with_go)
            )
        except NoRepository:
            if Path(place).is_dir():  # which the message would only hint at
                raise NoRepository(f'build: there is no git repository in "{place}"') from None
            raise


async def _build(
    settings: Settings, url: str, version: str, module: str, zip_file: Path | None, *, compare: bool
) -> int:
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)
    from goproxy_mirror.cli import building  # noqa: PLC0415

    async with app.open_workshop(settings) as workshop:
        repository = workshop.repositories.open(url, trusted=True)
        task = await building.choose(repository, version, module)
        built = await building.build(repository, task, settings.state / "module.zip")
        for line in built.lines():
            typer.echo(line)
        if zip_file is not None:
            await asyncio.to_thread(building.keep, built.zip_file, zip_file)
        if not compare:
            return 0
        differences = await building.compare(
            workshop, url, task, built, settings.state, proxy=settings.https_proxy or ""
        )
    for line in differences:
        typer.echo(f"differs: {line}")
    if not differences:
        typer.echo("the go command makes the same of it")
    return 1 if differences else 0


def _url(place: str) -> str:
    """The repository's URL, or the absolute path of a folder. Raises `SettingError`."""
    if urlsplit(place).scheme in {"http", "https", "file", "ssh"} or (
        ":" in place and not Path(place).exists()
    ):
        return place
    folder = Path(place)
    if not folder.is_dir():
        raise SettingError(
            f'build: there is no folder "{place}"; allowed are a git repository on disk and a URL'
        )
    return str(folder.resolve())
