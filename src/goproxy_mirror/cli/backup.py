"""`goproxy-mirror backup` and `restore`: the whole store as a stream, and back."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from goproxy_mirror import __version__
from goproxy_mirror.cli.options import NOT_LISTENING, with_settings
from goproxy_mirror.cli.plain import amount, files, size
from goproxy_mirror.cli.progress import ProgressLine, end_on_sigterm
from goproxy_mirror.cli.run import quietly
from goproxy_mirror.config import Loaded, Settings
from goproxy_mirror.errors import SettingError, StorageError


@with_settings(*NOT_LISTENING)
def backup(
    loaded: Loaded,
    compress: Annotated[
        bool,
        typer.Option("--compress/--no-compress", help="Pack it with zstd (default).", show_default=False),
    ] = True,
) -> int:
    """Write everything that is kept to standard output: published files, pins, tree heads, where each file came from.

    It may run beside serve. What is published meanwhile may or may not be in it, but every file in it is whole.

    \b
    Examples:
      goproxy-mirror backup > store.tar.zst
      goproxy-mirror backup --no-compress | ssh other.example 'cat > store.tar'
    """
    if sys.stdout.isatty():
        raise SettingError(
            "backup: it goes to standard output, which is a terminal: goproxy-mirror backup > FILE"
        )
    try:
        return asyncio.run(_backup(quietly(loaded), compress=compress))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM
    except OSError as error:
        raise StorageError(
            f"backup: standard output does not take it ({error.strerror}): what was written is no backup"
        ) from None


async def _backup(settings: Settings, *, compress: bool) -> int:
    from goproxy_mirror import app  # noqa: PLC0415 (the help need not wait for it)
    from goproxy_mirror.mirror.pipes import Outflow  # noqa: PLC0415

    end_on_sigterm()
    async with app.open_backup(settings) as opened:
        with ProgressLine("backup", "backing up") as progress, Outflow(sys.stdout.fileno()) as out:
            written = await opened.write(
                out,
                lambda so_far: progress.show(amount(so_far.files, so_far.bytes)),
                made_by=f"goproxy-mirror {__version__}",
                compress=compress,
            )
    typer.echo(f"goproxy-mirror: backup: {files(written.files)} ({size(written.bytes)})", err=True)
    return 0


@with_settings(*NOT_LISTENING)
def restore(
    loaded: Loaded,
    merge: Annotated[
        bool, typer.Option("--merge", help="Add what is missing to what is there, which stays as it is.")
    ] = False,
) -> int:
    """Read a backup from standard input, and put everything there.

    Each file is compared with the hash that the backup has of it before it is published.

    The status is 1 if anything of it was refused, or if the backup is damaged or was cut off.

    \b
    Examples:
      goproxy-mirror restore --data /srv/goproxy < store.tar.zst
      goproxy-mirror restore --merge < store.tar.zst
    """
    if sys.stdin.isatty():
        raise SettingError(
            "restore: it comes from standard input, which is a terminal: goproxy-mirror restore < FILE"
        )
    try:
        return asyncio.run(_restore(quietly(loaded), merge=merge))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # by SIGTERM


async def _restore(settings: Settings, *, merge: bool) -> int:
    from goproxy_mirror import app  # noqa: PLC0415
    from goproxy_mirror.mirror.archive import DamagedArchive  # noqa: PLC0415
    from goproxy_mirror.mirror.pipes import Inflow  # noqa: PLC0415
    from goproxy_mirror.mirror.restore import Restored  # noqa: PLC0415

    end_on_sigterm()
    refusals = seen = 0

    def told(so_far: Restored) -> None:
        nonlocal seen
        seen = so_far.files + so_far.here
        progress.show(amount(seen, so_far.bytes))

    def refused(name: str, reason: str) -> None:
        nonlocal refusals
        refusals += 1
        progress.say(f"refused  {name}: {reason}")

    async with app.open_restore(settings) as opened:
        with ProgressLine("restore", "restoring") as progress, Inflow(sys.stdin.fileno()) as stream:
            try:
                done = await opened.read(
                    stream,
                    told,
                    refused,
                    merge=merge,
                )
            except DamagedArchive as error:
                rest = ". What came before that is whole and stays; a good copy of the backup adds the rest with --merge"
                raise DamagedArchive(f"restore: {error.message}{rest if seen else ''}") from None
    here = f", {done.here:,} here already" if done.here else ""
    typer.echo(f"{files(done.files)} restored ({size(done.bytes)}){here}, {refusals:,} refused")
    return 1 if refusals else 0
