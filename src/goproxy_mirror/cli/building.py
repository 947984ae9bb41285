"""What `build` does: choose the module, build it, and hold it against what the go command makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goproxy_mirror.app import Workshop
from goproxy_mirror.builder.choosing import find_module, find_root, without_tag_prefix
from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import disk_failures
from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import Info, RepoRoot, Repository
from goproxy_mirror.vcs.gocommand import GoCommand, git_instead
from goproxy_mirror.vcs.hosts import static_root

_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be built: `query` is empty for the latest version."""

    root: RepoRoot
    path: ModulePath
    query: str


@dataclass(frozen=True, slots=True)
class Built:
    """A module version: its three files, and the hashes that go.sum has for them."""

    path: ModulePath
    info: Info
    go_mod: bytes
    zip_file: Path
    zip_hash: str

    def lines(self) -> Sequence[str]:
        """The `.info`, and the lines of go.sum."""
        name = f"{self.path} {self.info.version}"
        return (
            self.info.body.decode(),
            f"{name} {self.zip_hash}",
            f"{name}/go.mod {go_mod_hash(self.go_mod)}",
        )


async def choose(repository: Repository, version: str, module: str) -> Task:
    """The module that was meant. Raises NotFound, saying what to do, where that is not clear."""
    query = "" if version == "latest" else version
    path = ModulePath.parse(module) if module else await find_module(repository, query)
    url = "" if repository.local else repository.url
    root = await find_root(repository, path, query, url)
    return Task(root, path, without_tag_prefix(root, path, query))


async def build(repository: Repository, task: Task, zip_file: Path) -> Built:
    """Build it with the product's own builder. Raises NotFound and whatever else the builder raises."""
    builder = ModuleBuilder(repository, task.root, task.path)
    info = await (builder.resolve(task.query) if task.query else builder.latest())
    go_mod = await builder.go_mod(info.version)
    await asyncio.to_thread(zip_file.touch)
    await builder.zip(info.version, zip_file)
    return Built(task.path, info, go_mod, zip_file, await asyncio.to_thread(hash_zip, zip_file))


def keep(zip_file: Path, place: Path) -> None:
    """Copy a zip to a place, whole or not at all. Raises `StorageError`."""
    with disk_failures(f"write {place}"):
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=place.parent)
        with os.fdopen(descriptor, "wb") as new, zip_file.open("rb") as old:
            try:
                shutil.copyfileobj(old, new)
                Path(name).chmod(0o644)
                Path(name).replace(place)
            except BaseException:
                Path(name).unlink()
                raise


async def compare(
    workshop: Workshop, url: str, task: Task, built: Built, state: Path, *, proxy: str
) -> Sequence[str]:
    """What the go command makes otherwise of the same repository, a line for each difference.

    It is asked in direct mode, for the module at its own path; git is told that the repository is at `url`.
    """
    known = static_root(task.root.root)
    # What go-import pages and known hosts may say of it; git never connects to that.
    canonical = replace(task.root, url=known.url if known else f"https://{task.root.root}")
    folder = state / "compare"
    folder.mkdir()
    also = git_instead(folder, {canonical.url: url}, proxy=proxy)
    if workshop.runner.ca_file is not None:
        also["GIT_SSL_CAINFO"] = str(workshop.runner.ca_file)
    go = GoCommand(folder, workshop.runner, workshop.transport, canonical, also)
    wanted = f"{task.path}@{task.query or 'latest'}"
    answer = await go.ask("mod", "download", "-json", wanted, timeout=_SECONDS)
    info, go_mod, made = answer.file("Info"), answer.file("GoMod"), answer.file("Zip")
    if info is None or go_mod is None or made is None:
        said = answer.error.strip().partition("\n")[0] or "it does not say why"
        return [f"the go command does not build {wanted}: {said}"]
    builder = ModuleBuilder(workshop.repositories.open(url, trusted=True), canonical, task.path)
    ours = {
        **_fields((await builder.info(built.info.version)).body),
        "go.mod": built.go_mod,
        "go.mod hash": go_mod_hash(built.go_mod),
        "zip hash": built.zip_hash,
        "files": _names(built.zip_file),
    }
    theirs = {
        **_fields(info.read_bytes()),
        "go.mod": go_mod.read_bytes(),
        "go.mod hash": str(answer.value.get("GoModSum")),
        "zip hash": str(answer.value.get("Sum")),
        "files": _names(made),
    }
    names = dict.fromkeys([*ours, *theirs])
    return [
        _difference(name, ours.get(name), theirs.get(name))
        for name in names
        if ours.get(name) != theirs.get(name)
    ]


def _fields(info: bytes) -> dict[str, Any]:
    """What a `.info` says, but for the name by which the go command happened to find the revision."""
    value: dict[str, Any] = json.loads(info)
    origin = value.pop("Origin", {})
    return {**value, **{f"Origin.{name}": said for name, said in origin.items() if name != "Ref"}}


def _names(zip_file: Path) -> Sequence[str]:
    with zipfile.ZipFile(zip_file) as archive:
        return archive.namelist()


def _difference(name: str, ours: Any, theirs: Any) -> str:
    if name == "files" and ours is not None and theirs is not None:
        surplus, missing = set(ours) - set(theirs), set(theirs) - set(ours)
        if surplus or missing:
            return f"files: only ours has {sorted(surplus)[:5]}, only the go command's {sorted(missing)[:5]}"
        return "files: they are the same in another order"
    return f"{name}: ours is {ours!r}, the go command's {theirs!r}"
