"""The feeds, in the state database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from goproxy_mirror.module.path import ModulePath, unescape
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FeedEntry
from goproxy_mirror.protocol import stem_of
from goproxy_mirror.state.database import BRIEF, Database

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

_SPLIT = "/@v/"


class SQLFeed:
    """`ports.FeedRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, since: int, limit: int, *, gone: bool) -> Sequence[FeedEntry]:
        def read(session: Session) -> list[FeedEntry]:
            return [_entry(stem, at) for stem, at in session.feed_page(since, limit, gone=gone)]

        return await self._database.read(read)

    async def due(self, limit: int) -> Sequence[ModuleVersion]:
        stems = await self._database.read(lambda session: session.feed_due(limit))
        return [_version(stem) for stem in stems]

    async def unknown(self, versions: Sequence[ModuleVersion]) -> Sequence[ModuleVersion]:
        stems = {stem_of(mv): mv for mv in versions}
        known = await self._database.read(lambda session: session.feed_known(stems))
        return [mv for stem, mv in stems.items() if stem not in known]

    async def settle(self, held: Sequence[ModuleVersion], absent: Sequence[ModuleVersion]) -> None:
        def write(session: Session) -> None:
            session.put_held([stem_of(mv) for mv in held])
            session.drop_due([stem_of(mv) for mv in absent])

        await self._database.write(write, wait=BRIEF)


def _entry(stem: str, at: int) -> FeedEntry:
    path, _, version = stem.partition(_SPLIT)
    return FeedEntry(unescape(path), unescape(version), at)


def _version(stem: str) -> ModuleVersion:
    path, _, version = stem.partition(_SPLIT)
    return ModuleVersion(ModulePath(unescape(path)), Version(unescape(version)))
