"""Ours against the go command in direct mode: the same revisions of the same repositories, every answer compared.

    python -m bench.differential                        eight generated repositories, some 60 revisions of each
    python -m bench.differential --seeds 0 PATH ...     repositories of your own, named by path

For each module that a repository could hold (folders with a go.mod, major suffixes) it asks for tags, branches,
random commits (as they are, and as the pseudo-version that the go command made of them), and for versions that
should be refused. Version, time, origin, `.mod`, its hash, the zip's h1, the order of its files, refusals, and the
version lists have to agree. Prints each difference, a summary, and exits with 1 if there was one.

The go command's answer for a commit that carries a tag with build metadata depends on how much history its cache
holds; it is given the whole history first, so that it answers from all of it, as we do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.generated import generate
from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import InvalidPath, MirrorError, NotFound
from goproxy_mirror.module.path import ModulePath, path_major_prefix
from goproxy_mirror.module.semver import canonical
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from tests.world.go import go_binary
from tests.world.zips import h1, mod_h1

BATCH = 80
MAX_MAJOR = 5


@dataclass(frozen=True)
class Subject:
    """A repository under test, and the module path that its root stands for."""

    folder: Path
    path: str

    def git(self, *arguments: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-c", "safe.directory=*", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, check=True)
        return done.stdout.decode(errors="replace")


class Reference:
    """The go command in direct mode, with a cache of its own; https://ROOT is the local repository."""

    def __init__(self, folder: Path, subject: Subject) -> None:
        self.cache = folder / "modcache"
        config = folder / "gitconfig"
        config.write_text(
            f'[url "{subject.folder.as_uri()}"]\n\tinsteadOf = https://{subject.path}\n[safe]\n\tdirectory = *\n'
        )
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(config),
            "GOPATH": str(folder / "gopath"),
            "GOMODCACHE": str(self.cache),
            "GOCACHE": str(folder / "build"),
            "GOENV": "off",
            "GOFLAGS": "-modcacherw",
            "GOPROXY": "direct",
            "GOSUMDB": "off",
            "GOTOOLCHAIN": "local",
            "GOTELEMETRY": "off",
        }
        self.folder = folder
        self.seconds = 0.0

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON values that a go command prints, whatever its exit status."""
        started = time.monotonic()
        done = subprocess.run(
            [str(go_binary()), *arguments], cwd=self.folder, env=self.env, capture_output=True, check=False
        )
        self.seconds += time.monotonic() - started
        text, values, position = done.stdout.decode(), [], 0
        decoder = json.JSONDecoder()
        while position < len(text.rstrip()):
            value, position = decoder.raw_decode(text, position)
            position += len(text[position:]) - len(text[position:].lstrip())
            values.append(value)
        if not values:
            raise RuntimeError(f"go {' '.join(arguments[:3])}: {done.stderr.decode()}")
        return values

    def download(self, asked: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            answers = self.run("mod", "download", "-json", *(f"{path}@{query}" for path, query in batch))
            if len(answers) != len(batch):
                raise RuntimeError(f"{len(batch)} modules were asked for, {len(answers)} were answered")
            yield from (self._read(answer) for answer in answers)

    def _read(self, answer: dict[str, Any]) -> dict[str, Any]:
        if not answer.get("Info"):
            return {"refused": answer.get("Error", "")}
        info = json.loads(Path(answer["Info"]).read_text())
        info["Origin"].pop("Ref", None)
        found = {"info": info, "mod": Path(answer["GoMod"]).read_bytes(), "mod h1": answer.get("GoModSum")}
        if answer.get("Sum"):
            found["h1"] = answer["Sum"]
            found["files"] = _names(Path(answer["Zip"]))
        elif "requires go >=" not in answer["Error"]:  # that is the client's own limit
            found["no zip"] = answer["Error"]
        return found


class Ours:
    """The builder, on the same local repository under the same canonical path and URL."""

    def __init__(self, folder: Path, subject: Subject) -> None:
        repositories = GitRepositories(folder / "repositories", Runner(folder / "runner"), refs_ttl=1e9)
        self.repository = repositories.open(subject.folder.as_uri(), trusted=True)
        self.root = RepoRoot(subject.path, "git", f"https://{subject.path}")
        self.zip = folder / "ours.zip"
        self.seconds = 0.0

    def builder(self, path: str) -> ModuleBuilder:
        return ModuleBuilder(self.repository, self.root, ModulePath.parse(path))

    async def download(self, path: str, query: str, *, with_zip: bool = True) -> dict[str, Any]:
        started = time.monotonic()
        try:
            return await self._download(path, query, with_zip=with_zip)
        finally:
            self.seconds += time.monotonic() - started

    async def _download(self, path: str, query: str, *, with_zip: bool) -> dict[str, Any]:
        builder = self.builder(path)
        try:
            info = await (builder.latest() if query == "latest" else builder.resolve(query))
        except NotFound as error:
            return {"refused": error.message}
        value = json.loads(info.body)
        value["Origin"].pop("Ref", None)
        mod = await builder.go_mod(info.version)
        found = {"info": value, "mod": mod, "mod h1": mod_h1(mod)}
        if with_zip:
            self.zip.write_bytes(b"")
            try:
                await builder.zip(info.version, self.zip)
            except MirrorError as error:
                return {**found, "no zip": error.message}
            found |= {"h1": h1(self.zip), "files": _names(self.zip)}
        return found


def _names(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return [info.filename.partition("@")[2].partition("/")[2] for info in archive.infolist()]


def modules(subject: Subject, commits: Iterable[str]) -> list[str]:
    """Module paths that the repository could hold, and a few that it could not."""
    folders = {"", "plain"}
    for commit in commits:
        for name in subject.git("ls-tree", "-r", "--name-only", "-z", commit).split("\0"):
            if name.endswith("/go.mod") and "vendor/" not in name and "testdata/" not in name:
                folders.add(name.removesuffix("/go.mod"))
    majors = {int(m[1]) for m in re.finditer(r"(?m)(?:^|/)v(\d{1,3})\.", subject.git("tag"))} | {2}
    wanted = [f"/v{major}" for major in sorted(majors) if 2 <= major <= MAX_MAJOR]
    plain = [re.sub(r"(^|/)v\d+$", "", folder) for folder in sorted(folders)[:12]]
    paths = [f"{subject.path}/{folder}".rstrip("/") + suffix for folder in plain for suffix in ("", *wanted)]
    return [path for path in dict.fromkeys(paths) if _is_path(path)]


def _is_path(path: str) -> bool:
    try:
        ModulePath.parse(path)
    except InvalidPath:
        return False
    return True


def questions(
    subject: Subject, path: str, commits: Sequence[str], chance: random.Random, revisions: int
) -> Iterator[str]:
    """What to ask about a module path: up to `revisions` tags, and as many commits."""
    folder = re.sub(r"/v\d+$", "", path.removeprefix(subject.path)).strip("/")
    prefix = f"{folder}/" if folder else ""
    tags = [tag.removeprefix(prefix) for tag in subject.git("tag").split() if tag.startswith(prefix)]
    major = path_major_prefix(ModulePath.parse(path).split_major()[1])
    fitting = (major,) if major else ("v0.", "v1.")
    tags = [tag for tag in tags if "/" not in tag and (tag.startswith(fitting) or chance.random() < 0.3)]
    yield from ("latest", "v1", "v2", "v1.1", "HEAD")
    yield from chance.sample(tags, min(len(tags), revisions))
    yield from (f"{tag}+incompatible" for tag in tags[:5] if canonical(tag) == tag)
    for commit in chance.sample(commits, min(len(commits), revisions)):
        yield commit if chance.random() < 0.5 else commit[: chance.randint(7, 20)]
    branches = subject.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()
    yield from (branch for branch in branches if "/" not in branch)


def altered(chance: random.Random, answers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pseudo-versions that were given, and near misses of them."""
    for path, version in answers:
        match = re.search(r"(\d{14})-([0-9a-f]{12})(\+incompatible)?$", version)
        if match is None:
            continue
        time_, rev = match[1], match[2]
        misses = (
            version,
            version.replace(time_, str(int(time_) - 1)),
            version.replace(rev, rev[:-1]),
            version.replace(rev, rev + "0"),
            f"v0.0.0-{time_}-{rev}",
            f"v1.0.0-{time_}-{rev}",
            f"v2.0.1-0.{time_}-{rev}+incompatible",
            f"v2.0.1-0.{time_}-{rev}",
            f"v1.{chance.randint(0, 4)}.{chance.randint(1, 3)}-0.{time_}-{rev}",
            f"v0.{chance.randint(0, 4)}.{chance.randint(1, 3)}-0.{time_}-{rev}",
            version.removesuffix("+incompatible") if match[3] else f"{version}+incompatible",
        )
        for miss in {version, *chance.sample(misses, 3)}:
            yield path, miss


def differences(path: str, query: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    """What two answers do not agree in, in words."""
    silent = {"refused", "no zip"}
    for key in sorted({*theirs, *ours}):
        if key in silent:
            if (key in theirs) != (key in ours):
                yield f"{path}@{query}: {key}: go {theirs.get(key)!r}, ours {ours.get(key)!r}"
        elif theirs.get(key) != ours.get(key) and not silent & (set(theirs) ^ set(ours)):
            yield f"{path}@{query}: {key}: go {theirs.get(key)!r}, ours {ours.get(key)!r}"


async def compare(
    subject: Subject, folder: Path, chance: random.Random, revisions: int
) -> tuple[int, list[str]]:
    """Compare one repository; the number of revisions asked for, and the differences."""
    reference, ours = Reference(folder, subject), Ours(folder, subject)
    commits = subject.git("rev-list", "--branches", "--tags").split()
    inner = set(commits) - set(subject.git("for-each-ref", "--format=%(objectname) %(*objectname)").split())
    whole = chance.choice(sorted(inner)) if inner else "HEAD"
    list(reference.download([(subject.path, whole)]))
    paths = modules(subject, [*chance.sample(commits, min(12, len(commits))), "HEAD"])
    found: list[str] = []
    given: dict[tuple[str, str], None] = {}
    total = 0
    kinds: Counter[str] = Counter()
    for stage in ("whatever", "fruitful", "near misses"):
        if stage == "near misses":
            pairs: Iterable[tuple[str, str]] = altered(chance, given)
        else:
            fruitful = paths if stage == "whatever" else list(dict.fromkeys(path for path, _ in given))
            count = 2 if stage == "whatever" else revisions
            pairs = ((path, q) for path in fruitful for q in questions(subject, path, commits, chance, count))
        asked = list(dict.fromkeys(pair for pair in pairs if not pair[1].startswith("-")))
        for (path, query), theirs in zip(asked, reference.download(asked), strict=True):
            with_zip = "h1" in theirs or "no zip" in theirs
            mine = await ours.download(path, query, with_zip=with_zip)
            found += differences(path, query, theirs, mine)
            kinds.update(key for key in ("refused", "info", "h1", "no zip") if key in theirs)
            if "info" in theirs:
                given[path, theirs["info"]["Version"]] = None
        total += len(asked)
    for answer in reference.run("list", "-m", "-e", "-versions", "-retracted", "-json", *paths):
        try:
            versions = [str(version) for version in await ours.builder(answer["Path"]).versions()]
        except NotFound as error:
            versions = [error.message]
        if answer.get("Versions", []) != versions:
            found.append(f"{answer['Path']}: versions: go {answer.get('Versions', [])}, ours {versions}")
    print(
        f"{subject.path}: {total} revisions of {len(paths)} module paths ({kinds['info']} named, "
        f"{kinds['h1']} built, {kinds['no zip']} without a zip, {kinds['refused']} refused), "
        f"{len(found)} differences; go {reference.seconds:.1f} s, ours {ours.seconds:.1f} s",
        flush=True,
    )
    return total, found


async def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the builder with the go command in direct mode.")
    parser.add_argument("repositories", nargs="*", type=Path, help="paths of git repositories")
    parser.add_argument("--seeds", type=int, default=8, help="generated repositories (default 8)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--commits", type=int, default=120, help="commits of each generated repository")
    parser.add_argument("--revisions", type=int, default=20, help="tags and commits of each kind and module")
    arguments = parser.parse_args()
    total, found = 0, []
    with tempfile.TemporaryDirectory(prefix="differential-") as temporary:
        base = Path(temporary)
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        subjects = [
            *(
                Subject(generate(base, seed, arguments.commits), f"github.com/generated/g{seed}")
                for seed in seeds
            ),
            *(
                Subject(path.resolve(), "github.com/local/" + re.sub(r"\W", "-", path.resolve().name))
                for path in arguments.repositories
            ),
        ]
        for subject in subjects:
            folder = base / "work" / subject.folder.name
            folder.mkdir(parents=True)
            count, differing = await compare(
                subject, folder, random.Random(subject.path), arguments.revisions
            )
            total += count
            found += differing
            for line in differing:
                print(f"  {line}", flush=True)
    print(f"{total} revisions of {len(subjects)} repositories: {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
