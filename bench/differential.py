"""Ours against the go command in direct mode: the same revisions of the same repositories, every answer compared.

    python -m bench.differential                        eight generated repositories, some 60 revisions of each
    python -m bench.differential --seeds 0 PATH ...     repositories of your own, named by path
    python -m bench.differential --server http          ours reads them over git's HTTP protocol, as from elsewhere

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
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import trustme

from bench.direct import Reference, Subject, names_in
from bench.generated import generate
from bench.vcs import served
from goproxy_mirror.builder.layout import Layout
from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.errors import InvalidPath, MirrorError, NotFound
from goproxy_mirror.module.path import ModulePath, path_major_prefix
from goproxy_mirror.module.semver import canonical
from goproxy_mirror.process import Runner
from goproxy_mirror.vcs.git import GitRepositories
from tests.world.internet import Internet
from tests.world.zips import h1, mod_h1

MAX_MAJOR = 5


class Ours:
    """The builder, on the same repository (at `url`) under the same canonical path and URL."""

    def __init__(self, folder: Path, subject: Subject, url: str) -> None:
        repositories = GitRepositories(folder / "repositories", Runner(folder / "runner"), refs_ttl=1e9)
        self.repository = repositories.open(url, trusted=True)
        self.subject = subject
        self.zip = folder / "ours.zip"
        self.seconds = 0.0

    def builder(self, path: str) -> ModuleBuilder:
        return ModuleBuilder(self.repository, self.subject.root_of(path), ModulePath.parse(path))

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
            found |= {"h1": h1(self.zip), "files": names_in(self.zip)}
        return found


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
    return [path for path in dict.fromkeys([*paths, *subject.roots]) if _is_path(path)]


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
    prefix = Layout(subject.root_of(path), ModulePath.parse(path)).tag_prefix
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
    subject: Subject, folder: Path, url: str, internet: Internet, chance: random.Random, revisions: int
) -> tuple[int, list[str]]:
    """Compare one repository, which ours reads at `url`; the number of revisions asked for, and the differences."""
    subject.publish(internet)
    reference, ours = Reference(folder, subject, internet.env()), Ours(folder, subject, url)
    commits = subject.git("rev-list", "--branches", "--tags").split()
    inner = set(commits) - set(subject.git("for-each-ref", "--format=%(objectname) %(*objectname)").split())
    whole = chance.choice(sorted(inner)) if inner else "HEAD"
    list(reference.download([(subject.path, whole)]))
    paths = modules(subject, chance.sample(commits, min(12, len(commits))))
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
    parser.add_argument("--server", choices=("file", "http"), default="file", help="how ours reads them")
    parser.add_argument("--revisions", type=int, default=20, help="tags and commits of each kind and module")
    arguments = parser.parse_args()
    total, found = 0, []
    with (
        tempfile.TemporaryDirectory(prefix="differential-") as temporary,
        Internet(Path(temporary) / "internet", trustme.CA()) as internet,
    ):
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
            chance = random.Random(subject.path)
            with served(subject.folder, arguments.server) as url:
                count, differing = await compare(subject, folder, url, internet, chance, arguments.revisions)
            total += count
            found += differing
            for line in differing:
                print(f"  {line}", flush=True)
    print(f"{total} revisions of {len(subjects)} repositories: {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
