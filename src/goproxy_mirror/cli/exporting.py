"""`goproxy-mirror export`: a bundle of modules for machines without any network."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goproxy_mirror import __version__
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.plain import amount, files, size
from goproxy_mirror.cli.progress import ProgressLine, end_on_sigterm
from goproxy_mirror.cli.projects import Project, missing_folders, projects_of
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.cli.wanted import ONLY_MOD, Wanted, from_argument, from_go_sum
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.errors import MirrorError, SettingError, StorageError
from goproxy_mirror.module.path import ModulePath

if TYPE_CHECKING:
    from goproxy_mirror.mirror.archive import Writable

_TOOLCHAIN = re.compile(r"(go1(?:\.\d+)+(?:rc\d+)?)(?:\.([a-z0-9]+)-([a-z0-9]+))?")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "i386": "386", "armv7l": "arm"}


@with_settings(*NOT_LISTENING)
def export(
    loaded: Loaded,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the bundle goes; - is standard output.")],
    modules: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=r"MODULE[@VERSION]",
            help="Modules with all that they require; or globs as in GOPRIVATE, for what is held of them.",
        ),
    ] = None,
    go_mod: Annotated[
        list[Path] | None,
        typer.Option(
            "--go-mod",
            metavar="FILE",
            help="All that the go command needs for this go.mod, or for the modules of this go.work.",
        ),
    ] = None,
    go_sum: Annotated[
        list[Path] | None, typer.Option("--go-sum", metavar="FILE", help="Whatever this go.sum names.")
    ] = None,
    toolchain: Annotated[
        list[str] | None,
        typer.Option(
            "--toolchain",
            metavar="goVERSION[.OS-ARCH]",
            help="A Go toolchain, for this platform if none is named.",
        ),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Write the bundle without what cannot be had.")
    ] = False,
) -> int:
    """Write a bundle for machines without any network: modules, and what their go command needs to verify them.

    What is not held is fetched and proven first. `goproxy-mirror import` takes the bundle on the other side.

    The status is 1 if anything could not be had; then there is no bundle, unless --keep-going is given.

    \b
    Examples:
      goproxy-mirror export bundle.tar.zst --go-mod go.mod --go-sum go.sum
      goproxy-mirror export tools.tar.zst golang.org/x/tools/gopls@v0.20.0 --toolchain go1.27.3.linux-amd64
      goproxy-mirror export - 'corp.example/*' | ssh other.example goproxy-mirror import -
    """
    if not (modules or go_mod or go_sum or toolchain):
        raise SettingError(
            "export: nothing was named; allowed are MODULE[@VERSION], globs, --go-mod, --go-sum, --toolchain"
        )
    if file == "-" and sys.stdout.isatty():
        raise SettingError("export: standard output is a terminal; name a FILE for the bundle")
    globs = [text for text in modules or () if set(text.partition("@")[0]) & set("*?[")]
    wanted = [from_argument(text) for text in modules or () if text not in globs]
    listed = [each for name in go_sum or () for each in from_go_sum(name)]
    listed += [each for text in toolchain or () for each in _toolchain(text)]
    projects = projects_of(go_mod or ())
    for folder in missing_folders(projects):
        typer.echo(
            f'goproxy-mirror: export: there is no go.mod in "{folder}", so what it requires is not looked for',
            err=True,
        )
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)

    settings = app.prepare(quietly(loaded))
    try:
        return asyncio.run(_export(settings, file, globs, wanted, listed, projects, keep_going=keep_going))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM


async def _export(
    settings: Settings,
    file: str,
    globs: Sequence[str],
    wanted: Sequence[Wanted],
    listed: Sequence[Wanted],
    projects: Sequence[Project],
    *,
    keep_going: bool,
) -> int:
    from goproxy_mirror import app  # noqa: PLC0415
    from goproxy_mirror.cli.gathering import Gathering  # noqa: PLC0415

    end_on_sigterm()
    failures: dict[str, str] = {}
    fetched = size_ = 0

    def failed(name: str, error: MirrorError) -> None:
        if name not in failures:
            failures[name] = error.line.removeprefix(f"{name}: ")
            progress.say(f"failed  {name}: {failures[name]}")

    def left_out(name: str, error: MirrorError) -> None:
        """No build needs it, and a module that is gone from the world often stands in somebody's go.mod still."""
        progress.say(f"left out  {name}: {error.line.removeprefix(f'{name}: ')}")

    def done(bytes_: int) -> None:
        nonlocal fetched, size_
        fetched, size_ = fetched + 1, size_ + bytes_
        progress.show(amount(fetched, size_))

    with _place(file) as out:
        async with app.open_export(settings) as opened:
            with ProgressLine("export", "gathering") as progress:
                gathering = Gathering(opened.journey, opened.exporter, failed)
                needed, spare = await gathering.all(globs, wanted, listed, projects)
                keys = await opened.exporter.fetch(needed, done, failed)
                if not failures or keep_going:
                    keys |= await opened.exporter.fetch(spare, done, left_out)
            if failures and not keep_going:
                raise StorageError(
                    f"export: {files(len(failures))} could not be had, so there is no bundle; --keep-going makes one without"
                )
            shown = await asyncio.to_thread(opened.shown.read)
            made_by = f"goproxy-mirror {__version__}"
            with ProgressLine("export", "writing the bundle"):
                mvs = gathering.proven_by(keys)
                written = await opened.exporter.write(out, keys, mvs, shown, made_by=made_by)
            await asyncio.to_thread(opened.shown.add, written.sizes)
    typer.echo(f"goproxy-mirror: export: {files(written.files)} ({size(written.bytes)})", err=True)
    return 1 if failures else 0


@contextmanager
def _place(file: str) -> Iterator[Writable]:
    """Where the bundle is written: a file has its name only once it is whole."""
    from goproxy_mirror.mirror.pipes import Outflow  # noqa: PLC0415

    if file == "-":
        try:
            with Outflow(sys.stdout.fileno()) as stream:
                yield stream
        except OSError as error:
            raise StorageError(
                f"export: standard output does not take it ({error.strerror}): what was written is no bundle"
            ) from None
        return
    if Path(file).exists() and not Path(file).is_file():
        raise SettingError(
            f'export: "{file}" is no file; allowed are the name of one, and - for standard output'
        )
    fresh = Path(f"{file}.{secrets.token_hex(4)}.tmp")
    try:
        with fresh.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
            whole = out.tell() > 0
        if whole:
            fresh.replace(file)
    except OSError as error:
        raise StorageError(f'export: "{file}" cannot be written ({error.strerror})') from None
    finally:
        with suppress(OSError):
            fresh.unlink()


def _toolchain(text: str) -> list[Wanted]:
    match = _TOOLCHAIN.fullmatch(text)
    if match is None:
        raise SettingError(
            f'--toolchain "{text}": that is no toolchain; allowed is a release such as go1.27.3, with its platform where '
            "that is another one: go1.27.3.linux-arm64"
        )
    machine = platform.machine().lower()
    system = match[2] or platform.system().lower()
    path = ModulePath("golang.org/toolchain")
    platform_ = f"{system}-{match[3] or _MACHINES.get(machine, machine)}"
    # Whether a release exists the go command asks of that one (`go get go@1.27.3`), wherever it runs.
    asked = Wanted(path, f"v0.0.1-{match[1]}.linux-amd64", ONLY_MOD)
    return [asked, Wanted(path, f"v0.0.1-{match[1]}.{platform_}")]
