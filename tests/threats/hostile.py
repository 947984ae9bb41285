"""Hostile repositories: what nobody's git would write, the go command's own word on them, and ours beside it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.errors import MirrorError
from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Home, RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.sources.origin import RepositorySource
from goproxy_mirror.vcs.git import GitRepositories
from tests.vcs.gitkit import Repo
from tests.world.go import Go

ROOT = "github.com/threat/r"
GO_MOD = f"module {ROOT}\n"

Seen = dict[str, tuple[int, int, str]]


@dataclass
class Said:
    """What one builder says of one version. `refused` is the reason for what is missing: everything, or the zip alone."""

    version: str = ""
    time: str = ""
    commit: str = ""
    mod: str = ""
    h1: str = ""
    refused: str = ""
    error: MirrorError | None = None

    @property
    def facts(self) -> tuple[str, ...]:
        """What must be the same, whoever builds."""
        return self.version, self.time, self.commit, self.mod, self.h1


def store(repo: Repo, kind: str, body: bytes) -> str:
    """Put an object of any content into a repository, however wrong; its id."""
    whole = b"%s %d\0" % (kind.encode(), len(body)) + body
    oid = hashlib.new(repo.form, whole).hexdigest()
    path = repo.folder / "objects" / oid[:2] / oid[2:]
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole, 1))
    return oid


def store_tree(repo: Repo, entries: Iterable[tuple[str, bytes, str]]) -> str:
    """A tree of (mode, name, id), in the order and with the names given."""
    body = b"".join(b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(oid)) for mode, name, oid in entries)
    return store(repo, "tree", body)


def store_commit(
    repo: Repo, tree: str, *, date: str = "1700000000 +0000", parents: Sequence[str] = (), ref: str = "v1.0.0"
) -> str:
    """A commit with a committer's date of any text, on `main` and tagged with `ref`."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), "author A <a@x.test> 0 +0000"]
    body = "\n".join([*lines, f"committer C <c@x.test> {date}", "", "c", ""])
    oid = store(repo, "commit", body.encode())
    point(repo, {"refs/heads/main": oid, f"refs/tags/{ref}": oid})
    return oid


def point(repo: Repo, refs: Mapping[str, str]) -> None:
    """Let refs of any name point at objects, as a server might advertise them."""
    for name, oid in refs.items():
        path = repo.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{oid}\n")


def zeros(repo: Repo, size: int) -> str:
    """A blob of so many zeros, made without compressing them all; its id is made up where that would take long."""
    head = b"blob %d\0" % size
    if size <= 1 << 30:
        digest = hashlib.sha1(head)
        for start in range(0, size, 1 << 24):
            digest.update(bytes(min(1 << 24, size - start)))
        oid = digest.hexdigest()
    else:
        oid = hashlib.sha1(head).hexdigest()
    packer = zlib.compressobj(1)
    data = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = bytes(1 << 24)
    part = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(size % (1 << 24))) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = _adler(head, size)
    path = repo.folder / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        for _ in range(size >> 24):
            file.write(part)
        file.write(rest + b"\x03\x00" + struct.pack(">L", checksum))
    return oid


def _adler(head: bytes, size: int) -> int:
    """The Adler-32 sum of some bytes and then so many zeros."""
    value = zlib.adler32(head)
    low, high = value & 0xFFFF, value >> 16
    return (high + size * low) % 65521 << 16 | low


class Direct:
    """The go command in direct mode: `https://ROOT` is whatever folder it is told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = 0

    def says(self, repo: Repo, *queries: str, path: str = ROOT) -> list[Said]:
        """What the go command makes of each version or query."""
        self._asked += 1
        folder = self._folder / f"go{self._asked}"
        config = folder / "gitconfig"
        folder.mkdir(parents=True)
        config.write_text(f'[url "{repo.url}"]\n\tinsteadOf = https://{ROOT}\n[safe]\n\tdirectory = *\n')
        go = Go(folder, goproxy="direct", env={"GIT_CONFIG_GLOBAL": str(config), "GOFLAGS": "-modcacherw"})
        done = go.run("mod", "download", "-json", *(f"{path}@{query}" for query in queries))
        answers, at = [], 0
        decoder = json.JSONDecoder()
        while at < len(done.stdout.rstrip()):
            value, end = decoder.raw_decode(done.stdout, at)
            answers.append(value)
            at = end + len(done.stdout[end:]) - len(done.stdout[end:].lstrip())
        assert len(answers) == len(queries), done.stderr
        return [_read(answer) for answer in answers]


def _read(answer: dict[str, str]) -> Said:
    said = Said(refused=answer.get("Error", ""), h1=answer.get("Sum", ""))
    # It names the file even where it failed to write one.
    if answer.get("Info") and Path(answer["Info"]).exists():
        info = json.loads(Path(answer["Info"]).read_text())
        said.version, said.time, said.commit = info["Version"], info["Time"], info["Origin"]["Hash"]
    if answer.get("GoMod") and Path(answer["GoMod"]).exists():
        said.mod = go_mod_hash(Path(answer["GoMod"]).read_bytes())
    return said


class Ours:
    """Our builder over real copies, with nothing allowed outside of its own folder."""

    def __init__(self, folder: Path, repositories: GitRepositories | None = None) -> None:
        self.state = folder / "state"
        self.repositories = repositories or GitRepositories(
            self.state / "repositories", Runner(self.state / "programs")
        )
        self._outside = folder

    def source(self, url: str) -> RepositorySource:
        """The repository as the origin of its modules."""
        root = RepoRoot(ROOT, "git", f"https://{ROOT}")
        return RepositorySource(
            self.repositories.open(url, trusted=True), root, Home("origin", root.url), authority=True
        )

    async def says(self, url: str, query: str, *, path: str = ROOT) -> Said:
        """What we make of a version or query; fails the test where a file outside of the state folder changed."""
        before = seen(self._outside, but=self.state)
        said = await self._says(self.source(url), query, path)
        assert seen(self._outside, but=self.state) == before
        return said

    async def _says(self, source: RepositorySource, query: str, path: str) -> Said:
        said = Said()
        module = ModulePath.parse(path)
        into = self.state / "made.zip"
        try:
            info = (await source.resolve(module, Query(query))).value
            body = json.loads(info.body)
            mv = ModuleVersion(module, Version(body["Version"]))
            assert (await source.info(mv)).value.body == info.body
            said.version, said.time, said.commit = body["Version"], body["Time"], body["Origin"]["Hash"]
            said.mod = go_mod_hash((await source.go_mod(mv)).value)
            await source.zip(mv, into)
            said.h1 = hash_zip(into)
        except MirrorError as error:
            said.refused, said.error = error.message, error
        return said


def seen(folder: Path, *, but: Path) -> Seen:
    """Every file below a folder, save those below another, by its size, time of change, and link."""
    found: Seen = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(root, name) != but]
        for name in names:
            path = Path(root, name)
            status = path.lstat()
            target = str(path.readlink()) if path.is_symlink() else ""
            found[str(path)] = status.st_size, status.st_mtime_ns, target
    return found


def canary(folder: Path) -> tuple[Path, Path]:
    """A program, and the file that it leaves behind if it is ever run."""
    left, program = folder / "canary-sang", folder / "canary"
    program.write_text(f"#!/bin/sh\ntouch {left}\n")
    program.chmod(0o755)
    return program, left


def runs(program: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the canary: the positive control of every test that it must not be run in."""
    return subprocess.run([str(program)], stdin=subprocess.DEVNULL, capture_output=True, check=True)
