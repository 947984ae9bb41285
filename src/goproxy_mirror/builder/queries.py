"""Which version `latest`, `v1` and `v1.2` stand for: the rules of cmd/go/internal/modload/query.go.

The go command works these out from a list by itself; it asks a server for `latest` only where the list has nothing
for it. A server is still asked, by people and by other servers, and says what the go command would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from goproxy_mirror.builder.layout import Layout
from goproxy_mirror.builder.naming import IsRetracted, Named, Naming
from goproxy_mirror.errors import NotFound
from goproxy_mirror.module import semver
from goproxy_mirror.module.modfile import parse_lax
from goproxy_mirror.module.path import match_path_major
from goproxy_mirror.module.version import INCOMPATIBLE

# What the go command calls versions relative to a build list, which a server does not have.
RELATIVE = frozenset({"latest", "upgrade", "patch"})


class Queries:
    """Choices among the versions of one module."""

    def __init__(self, naming: Naming, layout: Layout) -> None:
        self._naming = naming
        self._layout = layout

    async def latest(self) -> Named:
        """The highest release, else prerelease, else the default branch, leaving out what is retracted."""
        return await self._latest(await self._retracted())

    async def prefix(self, query: str) -> Named:
        """The highest version that begins with `v1` or `v1.2`, leaving out what is retracted."""
        is_retracted = await self._retracted()

        def is_allowed(version: str) -> bool:
            # A prerelease of v1.2.0 comes before v1.2, so it is not meant.
            return semver.compare(version, query) >= 0 and not is_retracted(version)

        versions = await self._naming.versions(f"{query}.")
        wants_incompatible = not match_path_major(query, self._layout.path_major)
        chosen = await self._choose(versions, is_allowed, wants_incompatible=wants_incompatible)
        if chosen is None:
            raise NotFound(f'{self._layout.path}: no versions match "{query}"')
        return await self._naming.name(chosen)

    async def _latest(self, is_retracted: IsRetracted) -> Named:
        versions = await self._naming.versions()
        chosen = await self._choose(
            versions, lambda version: not is_retracted(version), wants_incompatible=False
        )
        if chosen is not None:
            return await self._naming.name(chosen)
        named = await self._naming.name_head()
        if is_retracted(named.version):
            raise NotFound(f"{self._layout.path}: every version is retracted")
        return named

    async def _choose(
        self, versions: Sequence[str], is_allowed: Callable[[str], bool], *, wants_incompatible: bool
    ) -> str | None:
        compatible = len(versions)
        while compatible and versions[compatible - 1].endswith(INCOMPATIBLE):
            compatible -= 1
        if not wants_incompatible and any(map(is_allowed, versions[compatible:])):
            # With a go.mod the author has taken to modules, and what lies above is an accident of old tags.
            last = next(filter(is_allowed, reversed(versions[:compatible])), None)
            if last is not None and await self._says_more_than_its_path(last):
                versions = versions[:compatible]
        for is_wanted in (_is_release, semver.prerelease):
            for version in reversed(versions):
                if is_wanted(version) and is_allowed(version):
                    return version
        return None

    async def _says_more_than_its_path(self, version: str) -> bool:
        """The go command's test for a go.mod of the author's own: it is not what would stand in for a missing one."""
        go_mod = (await self._naming.name(version)).place.go_mod
        return go_mod is not None and go_mod != f"module {self._layout.path}\n".encode()

    async def _retracted(self) -> IsRetracted:
        """What the go.mod of the latest version, be it retracted itself, retracts; nothing where it says nothing."""
        try:
            go_mod = (await self._latest(_nothing)).place.go_mod
            return _nothing if go_mod is None else parse_lax(go_mod).is_retracted
        except NotFound:
            return _nothing


def _nothing(_version: str) -> bool:
    return False


def _is_release(version: str) -> bool:
    return not semver.prerelease(version)
