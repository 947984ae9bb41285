"""Where in its repository a module is: the rules of cmd/go/internal/modfetch/coderepo.go.

A module `ROOT/DIR/vN` lives in `DIR`, or in `DIR/vN` where a go.mod there says so; its tags are `DIR/vN.x.y` in both
cases. Only the major version of a go.mod's module line has to agree with the path, so that forks stay usable.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from goproxy_mirror.builder.snapshot import Snapshot
from goproxy_mirror.errors import NotFound
from goproxy_mirror.module.modfile import module_path
from goproxy_mirror.module.path import ModulePath, path_major_prefix, split_path_version
from goproxy_mirror.module.semver import major
from goproxy_mirror.ports import Commit, RepoRoot

# The go command reads a go.mod of any size here and refuses the module when its zip is made. A version can so be
# named that cannot be built; this bound keeps that for all but absurd files.
GO_MOD_READ_LIMIT = 32 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A module's folder at a revision (empty: the root), and its go.mod if it has one."""

    folder: str
    go_mod: bytes | None


class Layout:
    """How a module path relates to its repository. Raises NotFound where the repository cannot contain the module."""

    def __init__(self, root: RepoRoot, path: ModulePath) -> None:
        if path.value != root.root and not path.value.startswith(f"{root.root}/"):
            raise NotFound(f"{path}: the repository stands for {root.root}, which is no part of that path")
        prefix, self.path_major = path.split_major()
        self.path = path.value
        self.root = root.root
        self.prefix = path.value if root.root == path.value else prefix
        if not f"{self.prefix}/".startswith(f"{root.root}/"):
            raise NotFound(f"{path}: a repository for {root.root} cannot contain it")
        inside = self.prefix[len(root.root) :].strip("/")
        self.code_dir = posixpath.normpath(f"{inside}/{root.subdir}".strip("/")) if root.subdir else inside
        self.tag_prefix = f"{self.code_dir}/" if self.code_dir else ""
        self.pseudo_major = path_major_prefix(self.path_major)
        # gopkg.in's `.v2` is no folder's name, and a root that stands for `/v2` has nothing above it.
        self._may_be_major_folder = self.path_major.startswith("/") and root.root != path.value

    @property
    def without_tags(self) -> bool:
        """gopkg.in/NAME.v2-unstable has no versions: the v2 tags are those of gopkg.in/NAME.v2."""
        return self.path.startswith("gopkg.in/") and self.path.endswith("-unstable")

    async def find(self, snapshot: Snapshot, commit: Commit, name: str, version: str) -> Place:
        """The module's place at a commit. Raises NotFound, saying why, where the module is not there.

        `name` is the revision as it is told to people; `version` what it is examined for.
        """
        file = posixpath.join(self.code_dir, "go.mod")
        upper = await snapshot.blob(commit, file, GO_MOD_READ_LIMIT)
        upper_path = module_path(upper) if upper is not None else ""
        upper_fits = upper is not None and self._fits(upper_path)
        if self._may_be_major_folder:
            place = await self._in_major_folder(snapshot, commit, name, upper_fits=upper_fits)
            if place is not None:
                return place
        if upper_fits:
            return Place(self.code_dir, upper)
        if upper is not None:
            raise NotFound(f"{self._misfit(file, upper_path, version)} at revision {name}")
        if not self.code_dir and not self.path_major.startswith("/"):
            return Place("", None)
        also = f" and ...{self.path_major}/go.mod" if self._may_be_major_folder else ""
        raise NotFound(f"missing {self.prefix}/go.mod{also} at revision {name}")

    async def _in_major_folder(
        self, snapshot: Snapshot, commit: Commit, name: str, *, upper_fits: bool
    ) -> Place | None:
        folder = posixpath.join(self.code_dir, self.path_major[1:])
        lower = await snapshot.blob(commit, f"{folder}/go.mod", GO_MOD_READ_LIMIT)
        if lower is None:
            return None
        lower_path = module_path(lower)
        if is_major(lower_path, self.path_major):
            if upper_fits:
                both = (
                    f"{self.prefix}/{posixpath.join(self.code_dir, 'go.mod')} and ...{self.path_major}/go.mod"
                )
                raise NotFound(f"{both} both have ...{self.path_major} module paths at revision {name}")
            return Place(folder, lower)
        said = (
            f"has non-...{self.path_major} module path {lower_path!a}"
            if lower_path
            else "is missing module path"
        )
        raise NotFound(f"{self.root}/{folder}/go.mod {said} at revision {name}")

    def _fits(self, module_line: str) -> bool:
        # Early go commands took unversioned paths for versioned gopkg.in ones, so they are still let through.
        astray = not self.path_major and module_line.startswith("gopkg.in/")
        return astray or is_major(module_line, self.path_major)

    def _misfit(self, file: str, module_line: str, version: str) -> str:
        also = f" (and ...{self.path_major}/go.mod does not exist)" if self._may_be_major_folder else ""
        if not module_line:
            return f"{file} is missing module path{also}"
        if self.path_major:
            return f"{file} has non-...{self.path_major} module path {module_line!a}{also}"
        if split_path_version(module_line) is None:
            return f"{file} has malformed module path {module_line!a}{also}"
        return f"{file} has post-{major(version)} module path {module_line!a}{also}"


def is_major(module_line: str, path_major: str) -> bool:
    """Whether a go.mod's module line allows the major versions that a path's suffix stands for."""
    split = split_path_version(module_line) if module_line else None
    if split is None:
        return False
    line_major = split[1]
    if not path_major:
        return path_major_prefix(line_major) in {"", "v0", "v1"}
    return bool(line_major) and line_major[1:] == path_major[1:]
