"""The modules of a repository, as the go command sees them in direct mode: the builder's front door."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from goproxy_mirror.builder.assemble import go_mod_of, info_of, write_zip
from goproxy_mirror.builder.layout import Layout
from goproxy_mirror.builder.naming import Named, Naming
from goproxy_mirror.builder.queries import RELATIVE, Queries
from goproxy_mirror.builder.snapshot import Snapshot
from goproxy_mirror.errors import NotFound, Unbuildable
from goproxy_mirror.module import semver
from goproxy_mirror.module.modzip import MAX_GO_MOD
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version, canonical_version
from goproxy_mirror.ports import Info, RepoRoot, Repository


class ModuleBuilder:
    """One module path in one repository.

    `root` says which path the repository's root stands for and where its origin is; `repository` may be a mirror of
    that, and what is built stays the same. Every method raises `NotFound` with the reason where the revision is not
    there or is no version of the module, and whatever the repository raises; `Unbuildable` where a file is too large
    or no valid zip can be made. `.info` and `.mod` may be had where the zip cannot.
    """

    def __init__(self, repository: Repository, root: RepoRoot, path: ModulePath) -> None:
        self._repository = repository
        self._root = root
        self._path = path

    async def versions(self) -> tuple[Version, ...]:
        """What `@v/list` names: the tags that are versions of this module, in order; may be empty."""
        naming, _ = await self._look()
        texts = await naming.versions()
        return await naming.snapshot.over_tags(lambda: tuple(map(Version, texts)))

    async def latest(self) -> Info:
        """The highest release, else prerelease, else the default branch; nothing that is retracted."""
        naming, layout = await self._look()
        return self._info(await Queries(naming, layout).latest(), layout)

    async def resolve(self, query: Query | Version | str) -> Info:
        """The version that a tag, a branch, a commit's prefix, a version, `v1` or `v1.2` names."""
        naming, layout = await self._look()
        return self._info(await self._resolve(str(query), naming, layout), layout)

    async def info(self, version: Version) -> Info:
        """The `.info` of exactly that version."""
        naming, layout = await self._look()
        return self._info(await self._exactly(version, naming), layout)

    async def go_mod(self, version: Version) -> bytes:
        """The `.mod` of exactly that version: the raw blob, or what stands in for a missing one."""
        return (await self.go_mod_and_info(version))[0]

    async def go_mod_and_info(self, version: Version) -> tuple[bytes, Info]:
        """The same, with the `.info` of the revision that it is of."""
        naming, layout = await self._look()
        named = await self._exactly(version, naming)
        data = go_mod_of(named, self._path)
        if len(data) > MAX_GO_MOD:
            message = f"{self._path}@{version}: the go.mod has {len(data)} bytes; {MAX_GO_MOD} are allowed"
            raise Unbuildable(message, source=self._repository.url)
        return data, self._info(named, layout)

    async def zip(self, version: Version, into: Path) -> Info:
        """Write the zip to `into`; what stands there after a failure is worthless. The `.info` of its revision."""
        naming, layout = await self._look()
        named = await self._exactly(version, naming)
        await write_zip(self._repository, named, ModuleVersion(self._path, version), into)
        return self._info(named, layout)

    async def _look(self) -> tuple[Naming, Layout]:
        layout = Layout(self._root, self._path)
        return Naming(Snapshot(self._repository, await self._repository.refs()), layout), layout

    async def _resolve(self, text: str, naming: Naming, layout: Layout) -> Named:
        if text in RELATIVE:
            message = f"{self._path}: ask for @latest and @v/list instead of @v/{text}.info"
            raise NotFound(message, source=self._repository.url)
        parts = semver.split(text)
        if parts is not None and parts.short:
            return await Queries(naming, layout).prefix(text)
        try:
            return await naming.name(text)
        except NotFound:
            canonical = canonical_version(text)
            if canonical in {"", text}:
                raise
            # Build metadata does not distinguish versions, so the version without it may be meant.
            with suppress(NotFound):
                return await naming.name(canonical)
            raise

    async def _exactly(self, version: Version, naming: Naming) -> Named:
        named = await naming.name(version.value)
        if named.version != version.value:
            message = f"{self._path}@{version}: invalid version: it is {named.version}"
            raise NotFound(message, source=self._repository.url)
        return named

    def _info(self, named: Named, layout: Layout) -> Info:
        return info_of(named, self._root, layout)
