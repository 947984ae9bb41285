"""Which version a revision is, and which revision a version is: the rules of cmd/go/internal/modfetch/coderepo.go."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from goproxy_mirror.builder.layout import GO_MOD_READ_LIMIT, Layout, Place
from goproxy_mirror.builder.snapshot import Revision, Snapshot
from goproxy_mirror.errors import InvalidVersion, NotFound, Unbuildable
from goproxy_mirror.module import pseudo, semver
from goproxy_mirror.module.modfile import parse_lax
from goproxy_mirror.module.path import match_path_major
from goproxy_mirror.module.version import INCOMPATIBLE, Version, canonical_version

IsRetracted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Named:
    """A version of a module: its revision, and where in it the module is."""

    version: str
    revision: Revision
    place: Place


class Naming:
    """Versions and revisions of one module, from one snapshot of its repository."""

    def __init__(self, snapshot: Snapshot, layout: Layout) -> None:
        self.snapshot = snapshot
        self._layout = layout
        self._versions: dict[str, Sequence[str]] = {}
        self._retracted: IsRetracted | None = None

    async def versions(self, prefix: str = "") -> Sequence[str]:
        """What the tags say: canonical, no pseudo-versions, in order, `+incompatible` at the end.

        Tags that do not begin with `prefix` (`v2.`) are not there at all, so they do not decide whether others may
        be `+incompatible`.
        """
        if prefix not in self._versions:
            self._versions[prefix] = await self._list_versions(prefix)
        return self._versions[prefix]

    async def name(self, asked: str) -> Named:
        """The version that a tag, branch, commit or version names. Raises NotFound, saying why."""
        try:
            revision = await self.snapshot.revision(self._revision_name(asked))
        except NotFound as error:
            raise self._invalid(asked, error.message) from error
        return await self._convert(revision, asked)

    async def name_head(self) -> Named:
        """The version of the default branch's commit."""
        return await self._convert(await self.snapshot.head(), "")

    async def has_go_mod(self, revision: Revision, folder: str = "") -> bool:
        """Whether there is a go.mod, of whatever size, in a folder."""
        path = posixpath.join(folder, "go.mod")
        try:
            return await self.snapshot.blob(revision.commit, path, GO_MOD_READ_LIMIT) is not None
        except Unbuildable:
            return True

    async def _list_versions(self, prefix: str) -> Sequence[str]:
        if self._layout.without_tags:
            return ()
        start = self._layout.tag_prefix + prefix
        tags = [tag for tag in self.snapshot.refs.tags if tag.startswith(start)]
        fitting, beyond = await self.snapshot.over_tags(self._sort_tags, tags)
        if not beyond or (fitting and await self._tag_has_go_mod(fitting[-1])):
            return fitting
        highest = {semver.major(version): version for version in beyond}
        without = {major for major, version in highest.items() if not await self._tag_has_go_mod(version)}
        return [*fitting, *(v + INCOMPATIBLE for v in beyond if semver.major(v) in without)]

    def _sort_tags(self, tags: Sequence[str]) -> tuple[list[str], list[str]]:
        """The versions that fit the path, and those that could do so as `+incompatible`, each in order."""
        path_major = self._layout.path_major
        may_go_beyond = not self._layout.code_dir and not path_major
        fitting: list[tuple[semver.Order, str]] = []
        beyond: list[tuple[semver.Order, str]] = []
        for tag in tags:
            version = tag[len(self._layout.tag_prefix) :]
            parts = semver.split(version)
            if parts is None or parts.short or parts.build or pseudo.is_pseudo(version):
                continue
            if match_path_major(version, path_major):
                fitting.append((semver.order(parts), version))
            elif may_go_beyond:
                beyond.append((semver.order(parts), version))
        return [version for _, version in sorted(fitting)], [version for _, version in sorted(beyond)]

    async def _tag_has_go_mod(self, tag: str) -> bool:
        return await self.has_go_mod(await self.snapshot.revision(tag))

    def _revision_name(self, asked: str) -> str:
        """The tag that a version stands for, the commit's prefix in a pseudo-version; anything else as it is."""
        if not semver.is_valid(asked):
            return asked
        if pseudo.is_pseudo(asked):
            return pseudo.pseudo_rev(asked)
        if semver.build(asked) == INCOMPATIBLE:
            asked = asked.removesuffix(INCOMPATIBLE)
        return self._layout.tag_prefix + asked

    async def _convert(self, revision: Revision, asked: str) -> Named:
        if pseudo.is_pseudo(asked):
            named = await self._check(revision, asked, asked)
            try:
                await self._validate_pseudo(revision, asked)
            except InvalidVersion as error:
                raise self._invalid_pseudo(asked, error.message) from error
            return named
        if revision.asked_tag is not None:
            version, canonical = self._tag_version(revision.asked_tag)
            if canonical:
                # Where this one cannot be, another tag of the commit may, or else the reason comes up again.
                with suppress(NotFound):
                    return await self._check(revision, version, asked)
        base = ""
        highest = ""
        for tag in revision.tags:
            version, canonical = self._tag_version(tag)
            if asked and semver.compare(version, asked) == 0:
                if canonical:
                    return await self._check(revision, version, asked)
                # A tag with build metadata: equal to what was asked for, but not unambiguous.
                base = version
            if (
                canonical
                and semver.compare(highest, version) < 0
                and not (await self.is_retracted())(version)
                and await self._may_be(revision, version, asked)
            ):
                highest = version
        if highest:
            return await self._check(revision, highest, asked)
        base = base or await self._base_before(revision, asked)
        made = pseudo.pseudo_version(self._layout.pseudo_major, base, revision.commit.time, revision.short)
        return await self._check(revision, made, asked)

    async def _base_before(self, revision: Revision, asked: str) -> str:
        """The highest version that is tagged on the revision or an ancestor, of those that the module may have."""
        versions, beyond = await self.snapshot.over_tags(self._survey)
        path_major = self._layout.path_major
        incompatible = {m for m in beyond if await self._may_be_incompatible(revision, m, asked)}
        is_retracted = await self.is_retracted() if versions else _nothing

        def is_allowed(version: str) -> bool:
            fits = match_path_major(version, path_major) or semver.major(version) in incompatible
            return fits and not is_retracted(version)

        def select() -> dict[str, str]:
            return {tag: version for tag, version in versions.items() if is_allowed(version)}

        allowed = await self.snapshot.over_tags(select)
        if not allowed:
            return ""  # and the history need not be known
        merged = await self.snapshot.repository.merged_tags(revision.commit)
        return await self.snapshot.over_tags(_highest, [allowed[tag] for tag in merged if tag in allowed])

    def _survey(self) -> tuple[dict[str, str], set[str]]:
        """The versions by tag, and the majors among them that do not fit the path."""
        tags = self.snapshot.refs.tags
        versions = {tag: version for tag in tags if (version := self._tag_version(tag)[0])}
        path_major = self._layout.path_major
        return versions, {semver.major(v) for v in versions.values() if not match_path_major(v, path_major)}

    async def _may_be(self, revision: Revision, version: str, asked: str) -> bool:
        fits = match_path_major(version, self._layout.path_major)
        return fits or await self._may_be_incompatible(revision, version, asked)

    async def _may_be_incompatible(self, revision: Revision, version: str, asked: str) -> bool:
        if self._layout.code_dir or self._layout.path_major or await self.has_go_mod(revision):
            return False
        # A `vN/go.mod` claims the tags of that major for the module vN; early go commands did not look, so whoever
        # asks for `+incompatible` in so many words still gets it.
        return asked.endswith(INCOMPATIBLE) or not await self.has_go_mod(revision, semver.major(version))

    async def _check(self, revision: Revision, version: str, asked: str) -> Named:
        """The revision under a canonical version, `+incompatible` added where it has to be. Raises NotFound."""
        place = await self._place(revision, version)
        if version == asked.removesuffix(INCOMPATIBLE):
            version = asked
        base = version.removesuffix(INCOMPATIBLE)
        problem = ""
        if not match_path_major(base, self._layout.path_major):
            if await self._may_be_incompatible(revision, base, asked):
                version = base + INCOMPATIBLE
            elif self._layout.path_major:
                problem = "the module path ends in a major version, so the version's must be the same"
            else:
                path = f"{self._layout.prefix}/{semver.major(version)}"
                problem = f'there is a go.mod, so the module path of that major version is "{path}"'
        elif version.endswith(INCOMPATIBLE):
            problem = (
                f"{INCOMPATIBLE} does not belong here: major version {semver.major(version)} is compatible"
            )
        if asked and asked == canonical_version(asked) and asked.removesuffix(INCOMPATIBLE) != base:
            wanted = asked.removesuffix(INCOMPATIBLE)
            raise self._invalid(asked, f"resolves to version {version} ({wanted} is not a tag)")
        if problem:
            raise self._invalid(version, problem)
        return Named(version, revision, place)

    async def _place(self, revision: Revision, version: str) -> Place:
        name = self._revision_name(version)
        try:
            # A version that was made from the revision leads back to it, save for odd tags.
            made_of_it = name in revision.tags or name == revision.short
            found = revision if made_of_it else await self.snapshot.revision(name)
            return await self._layout.find(self.snapshot, found.commit, name, version)
        except NotFound as error:
            raise self._invalid(version, error.message) from error

    async def _validate_pseudo(self, revision: Revision, version: str) -> None:
        """Raise InvalidVersion unless commit, time and base of a pseudo-version are the revision's."""
        named = pseudo.pseudo_rev(version)
        if named != revision.short:
            longer = named.startswith(revision.short)
            kind = "longer" if longer else "shorter" if revision.short.startswith(named) else "other"
            raise InvalidVersion(f"revision is {kind} than canonical (expected {revision.short})")
        if pseudo.pseudo_time(version) != revision.commit.time:
            expected = f"{revision.commit.time:%Y%m%d%H%M%S}"
            raise InvalidVersion(f"does not match version-control timestamp (expected {expected})")
        base = pseudo.pseudo_base(version.removesuffix(INCOMPATIBLE))
        if not base:
            if not self._layout.pseudo_major and semver.major(version) == "v1":
                raise InvalidVersion("without a tag before it the major version must be v0, not v1")
            return
        for tag in revision.tags:
            if tag.removeprefix(self._layout.tag_prefix) == base:
                raise InvalidVersion(
                    f"tag ({tag}) on revision {named} is canonical itself, and takes its place"
                )
        await self._check_ancestor(revision, base)

    async def _check_ancestor(self, revision: Revision, base: str) -> None:
        prefix = self._layout.tag_prefix
        last = ""
        for tag in sorted(tag for tag in self.snapshot.refs.tags if tag.startswith(prefix + base)):
            if semver.compare(tag[len(prefix) :], base) == 0:
                last = tag
                if await self._is_ancestor(tag, revision):
                    return
        if last:
            raise InvalidVersion(f"revision {revision.short} is not a descendant of preceding tag ({last})")
        raise InvalidVersion(f"preceding tag ({base}) not found")

    async def _is_ancestor(self, tag: str, revision: Revision) -> bool:
        try:
            return await self.snapshot.repository.is_ancestor(tag, revision.commit)
        except NotFound:
            return False  # the tag leads to no commit

    def _tag_version(self, tag: str) -> tuple[str, bool]:
        """The version in a tag of this module, or empty; and whether the tag is that version and no more."""
        # The whole tag is looked at, so one below a folder may look like a pseudo-version; as the go command has it.
        if not tag.startswith(self._layout.tag_prefix) or pseudo.is_pseudo(tag):
            return "", False
        rest = tag[len(self._layout.tag_prefix) :]
        version = semver.canonical(rest)
        if not version or not rest.startswith(version):
            return "", False
        return version, version == rest

    async def is_retracted(self) -> IsRetracted:
        """What the go.mod of the highest release retracts; nothing where it cannot be had or read."""
        if self._retracted is None:
            try:
                self._retracted = await self._read_retractions()
            except NotFound:
                self._retracted = _nothing
        return self._retracted

    async def _read_retractions(self) -> IsRetracted:
        compatible = [v for v in await self.versions() if not v.endswith(INCOMPATIBLE)]
        if not compatible:
            return _nothing
        releases = [v for v in compatible if not semver.prerelease(v)]
        version = (releases or compatible)[-1]
        revision = await self.snapshot.revision(self._revision_name(version))
        place = await self._layout.find(self.snapshot, revision.commit, version, version)
        return _nothing if place.go_mod is None else parse_lax(place.go_mod).is_retracted

    def _invalid(self, version: str, why: str) -> NotFound:
        message = f"{self._layout.path}@{version}: invalid version: {why}"
        return NotFound(message, source=self.snapshot.repository.url)

    def _invalid_pseudo(self, version: str, why: str) -> NotFound:
        message = f"{self._layout.path}@{version}: invalid pseudo-version: {why}"
        return NotFound(message, source=self.snapshot.repository.url)


def _nothing(_version: str) -> bool:
    return False


def _highest(versions: Iterable[str]) -> str:
    return max(set(versions), key=Version, default="")
