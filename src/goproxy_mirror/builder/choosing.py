"""Which module a repository holds, for somebody who names the repository and perhaps a version, but not where it stands."""

from __future__ import annotations

from goproxy_mirror.builder.layout import GO_MOD_READ_LIMIT, Layout
from goproxy_mirror.builder.snapshot import Revision, Snapshot
from goproxy_mirror.errors import NotFound
from goproxy_mirror.module import pseudo, semver
from goproxy_mirror.module.modfile import module_path
from goproxy_mirror.module.path import ModulePath, split_path_version
from goproxy_mirror.module.version import INCOMPATIBLE
from goproxy_mirror.ports import RepoRoot, Repository
from goproxy_mirror.vcs.hosts import static_root


async def find_module(repository: Repository, version: str) -> ModulePath:
    """The module that the go.mod in the repository's root names, at a version (empty: on the default branch).

    Raises NotFound, saying what to do, where it names none, or where the version belongs to a module in a folder.
    """
    snapshot = Snapshot(repository, await repository.refs())
    folder, slash, rest = version.rpartition("/")
    if slash and semver.is_valid(rest) and version in snapshot.refs.tags:
        raise NotFound(
            f"the tag {version} is a version of the module in the folder {folder}, not of the one in the root: name that "
            f"module with --module, and --version {rest}",
            source=repository.url,
        )
    revision = await _revision(snapshot, version)
    go_mod = await snapshot.blob(revision.commit, "go.mod", GO_MOD_READ_LIMIT)
    named = module_path(go_mod) if go_mod is not None else ""
    parts = semver.split(version)
    if named and parts is not None and parts.short:
        return _of_major(ModulePath.parse(named), semver.major(version))
    if not named:
        where = version or "the default branch"
        what = "no go.mod" if go_mod is None else "a go.mod without a module line"
        message = f"at {where} there is {what} in the repository's root: name the module with --module"
        raise NotFound(message, source=repository.url)
    return ModulePath.parse(named)


async def find_root(repository: Repository, path: ModulePath, version: str, url: str) -> RepoRoot:
    """Which part of a module's path the repository's root stands for; `url` is where its origin is said to be.

    Known hosts tell by the path. Else a folder's go.mod that names the module tells, or the root's by the name that both
    begin with. Where neither does, it is the module in the root.
    """
    known = static_root(path.value)
    if known is not None:
        return RepoRoot(known.root, "git", url)
    prefix, major = path.split_major()
    if not major.startswith("/"):
        prefix = path.value
    snapshot = Snapshot(repository, await repository.refs())
    elements = prefix.split("/")
    for count in range(len(elements), 0, -1):
        root = RepoRoot("/".join(elements[:count]), "git", url)
        layout = Layout(root, path)
        try:
            revision = await _revision(snapshot, layout.tag_prefix + version if version else "")
        except NotFound:
            revision = await snapshot.head()
        folders = [layout.code_dir, f"{layout.code_dir}{major}".strip("/")]
        for folder in folders if major.startswith("/") else folders[:1]:
            file = f"{folder}/go.mod".lstrip("/")
            go_mod = await snapshot.blob(revision.commit, file, GO_MOD_READ_LIMIT)
            if go_mod is not None and module_path(go_mod) == path.value:
                return root
    upper = await snapshot.blob((await snapshot.head()).commit, "go.mod", GO_MOD_READ_LIMIT)
    above = split_path_version(module_path(upper)) if upper is not None else None
    if above is not None and path.value.startswith(f"{above[0]}/"):
        return RepoRoot(above[0], "git", url)
    return RepoRoot(prefix, "git", url)


def without_tag_prefix(root: RepoRoot, path: ModulePath, version: str) -> str:
    """The version in a tag of the module (`sub/v1.0.0`); anything else as it is."""
    return version.removeprefix(Layout(root, path).tag_prefix)


def _of_major(path: ModulePath, major: str) -> ModulePath:
    """The module of the same name and another major version; gopkg.in's keep theirs."""
    prefix, own = path.split_major()
    if own and not own.startswith("/"):
        return path
    return ModulePath.parse(prefix if major in {"v0", "v1"} else f"{prefix}/{major}")


async def _revision(snapshot: Snapshot, version: str) -> Revision:
    if not version:
        return await snapshot.head()
    folder, _, name = version.rpartition("/")
    if pseudo.is_pseudo(name):
        return await snapshot.revision(pseudo.pseudo_rev(name))
    try:
        return await snapshot.revision(version.removesuffix(INCOMPATIBLE))
    except NotFound:
        if not folder and not semver.is_valid(version):
            raise
        # A version that begins with what was asked for, or none: the default branch knows what the module is called.
        return await snapshot.head()
