"""What a module costs that is built from git: ours against `go mod download` in direct mode, side by side.

    python -m bench.vcs                          over file://, then over git's HTTP protocol on the loopback
    python -m bench.vcs --server file --repeats 9 --json results.json

The repository has the size of a large module: some 1,600 files of the toolchain's own sources, 10 MB, and versions
that change one file in twenty. In each repeat both sides begin with nothing; the first version takes the
repository's first fetch, each next one finds there what the ones before have left. Both answer `.info`, `.mod` and
`.zip`, and their h1 must agree. The sides take turns within each repeat, so that a slow moment of the machine hits
both. Time is wall time, and processor time with that of all child processes (over HTTP without the server's).
The medians of the ratios of both have to meet the targets, or the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.direct import go_environment
from bench.gitserver import serving
from goproxy_mirror.builder.resolve import ModuleBuilder
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import Version
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Transport
from goproxy_mirror.vcs.git import GitRepositories
from tests.world.go import go_binary
from tests.world.zips import h1

PATH = "github.com/bench/large"
TARGETS = {"first": 0.35, "next": 0.25}
FILES = 1584
MEGABYTES = 10.4


@dataclass(frozen=True)
class Cost:
    """Seconds of one version: on the clock, and of the processor."""

    wall: float
    cpu: float


async def measured(work: Awaitable[str]) -> tuple[Cost, str]:
    """What some work costs, child processes included, and its result."""
    before = _cpu()
    started = time.perf_counter()
    result = await work
    return Cost(time.perf_counter() - started, _cpu() - before), result


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Ours:
    """The builder over an empty folder of repositories."""

    def __init__(self, folder: Path, url: str) -> None:
        self._transport = Transport(policy=AddressPolicy(["127.0.0.0/8"]), user_agent="bench")
        repositories = GitRepositories(folder / "git", Runner(folder / "programs"), self._transport)
        root = RepoRoot(PATH, "git", f"https://{PATH}")
        self._builder = ModuleBuilder(repositories.open(url, trusted=True), root, ModulePath.parse(PATH))
        self._zip = folder / "module.zip"

    async def build(self, version: str) -> str:
        parsed = Version.parse(version)
        await self._builder.info(parsed)
        await self._builder.go_mod(parsed)
        self._zip.write_bytes(b"")
        await self._builder.zip(parsed, self._zip)
        return str(self._zip)

    async def aclose(self) -> None:
        await self._transport.aclose()


class Theirs:
    """The go command with an empty module cache."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._env = go_environment(folder, {f"https://{PATH}": url})

    async def build(self, version: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            [str(go_binary()), "mod", "download", "-json", f"{PATH}@{version}"],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout.decode() + done.stderr.decode())
        return str(json.loads(done.stdout)["Zip"])


def make_repository(folder: Path, versions: int) -> Path:
    """The repository, made of the toolchain's sources; the same for the same toolchain."""
    source = go_binary().parent.parent / "src"
    chance = random.Random(FILES)
    candidates = [
        path
        for path in sorted(source.rglob("*.go"))
        if "testdata" not in path.parts and path.stat().st_size < 200_000
    ]
    wanted = MEGABYTES * 1e6 / FILES
    chosen = chance.sample(candidates, FILES)
    while statistics.mean(path.stat().st_size for path in chosen) > wanted:
        chosen.remove(max(chosen, key=lambda path: path.stat().st_size))
        chosen.append(chance.choice(candidates))
    content = {f"p{n % 97:02d}/f{n}.go": path.read_bytes() for n, path in enumerate(chosen)}
    content["go.mod"] = f"module {PATH}\n\ngo 1.21\n".encode()
    stream = []
    changed = dict(content)
    for number in range(versions):
        stream.append(f"commit refs/heads/main\nmark :{number + 1}\n".encode())
        stream.append(f"committer B <b@x.test> {1_700_000_000 + number * 86_400} +0000\ndata 1\nv\n".encode())
        for name, data in changed.items():
            stream.append(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
        stream.append(f"reset refs/tags/v1.{number}.0\nfrom :{number + 1}\n\n".encode())
        names = chance.sample(sorted(content.keys() - {"go.mod"}), FILES // 20)
        changed = {name: content[name] + f"// changed in {number}\n".encode() for name in names}
        content.update(changed)
    _git(folder.parent, "init", "-q", "--bare", "-b", "main", str(folder))
    _git(folder, "fast-import", "--quiet", stdin=b"".join(stream))
    _git(folder, "repack", "-adq")
    for name in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        _git(folder, "config", name, "true")
    return folder


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> None:
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=folder, env=env, input=stdin, check=True)


@contextmanager
def served(repository: Path, server: str) -> Iterator[str]:
    """The repository's URL on one kind of server."""
    if server == "file":
        yield repository.as_uri()
    else:
        with serving(repository.parent) as url:
            yield f"{url}/{repository.name}"


async def repeat(base: Path, url: str, versions: int, number: int) -> dict[str, list[tuple[Cost, Cost]]]:
    """One repeat: (ours, theirs) of the first version and of each next one."""
    ours, theirs = Ours(base / "ours", url), Theirs(base / "theirs", url)
    found: dict[str, list[tuple[Cost, Cost]]] = {"first": [], "next": []}
    for index in range(versions):
        version = f"v1.{index}.0"
        # Whoever comes second finds the repository's files in the machine's memory.
        if (number + index) % 2:
            cost, name = await measured(ours.build(version))
            their_cost, their_name = await measured(theirs.build(version))
        else:
            their_cost, their_name = await measured(theirs.build(version))
            cost, name = await measured(ours.build(version))
        if h1(Path(name)) != h1(Path(their_name)):
            raise RuntimeError(f"{version} differs from the go command's")
        found["next" if index else "first"].append((cost, their_cost))
    await ours.aclose()
    shutil.rmtree(base)
    return found


def summary(pairs: Sequence[tuple[Cost, Cost]]) -> dict[str, Any]:
    """Medians with the quarters around them."""
    told: dict[str, Any] = {}
    for kind in ("wall", "cpu"):
        ours = [getattr(pair[0], kind) for pair in pairs]
        theirs = [getattr(pair[1], kind) for pair in pairs]
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        told[kind] = {
            "ours ms": _spread(ours, 1e3),
            "go ms": _spread(theirs, 1e3),
            "ratio": _spread(ratios, 1),
        }
    return told


def _spread(values: Sequence[float], scale: float) -> dict[str, float]:
    quarters = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    low, median, high = (round(value * scale, 3) for value in quarters)
    return {"median": median, "quarter": low, "three quarters": high}


def show(server: str, stage: str, told: dict[str, Any]) -> bool:
    """Print one line for each kind of time; whether both meet the target."""
    for kind, values in told.items():
        ours, theirs, ratio = values["ours ms"], values["go ms"], values["ratio"]
        print(
            f"{server:4} {stage:5} {kind:4}  ours {ours['median']:7.0f} ms ({ours['quarter']:.0f}–"
            f"{ours['three quarters']:.0f})  go {theirs['median']:7.0f} ms ({theirs['quarter']:.0f}–"
            f"{theirs['three quarters']:.0f})  ratio {ratio['median']:.2f} ({ratio['quarter']:.2f}–"
            f"{ratio['three quarters']:.2f})",
            flush=True,
        )
    return all(values["ratio"]["median"] <= TARGETS[stage] for values in told.values())


async def main() -> int:
    parser = argparse.ArgumentParser(description="Time the builder against the go command in direct mode.")
    parser.add_argument("--server", choices=("file", "http", "both"), default="both")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--versions", type=int, default=6, help="versions in each repeat (default 6)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"targets": TARGETS, "results": {}}
    met = True
    with tempfile.TemporaryDirectory(prefix="vcs-") as temporary:
        base = Path(temporary)
        repository = make_repository(base / "large.git", arguments.versions)
        for server in ("file", "http") if arguments.server == "both" else (arguments.server,):
            pairs: dict[str, list[tuple[Cost, Cost]]] = {"first": [], "next": []}
            with served(repository, server) as url:
                for number in range(arguments.repeats):
                    for stage, costs in (await repeat(base / "run", url, arguments.versions, number)).items():
                        pairs[stage] += costs
            told = {stage: summary(costs) for stage, costs in pairs.items()}
            results["results"][server] = told
            for stage, values in told.items():
                met = show(server, stage, values) and met
    for stage, target in TARGETS.items():
        print(f"target {stage}: at most {target} of the go command's wall time and processor time")
    print("met" if met else "missed")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
