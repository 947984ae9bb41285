"""What the local upstream of the benchmarks serves: a large project's modules, and made-up ones of given sizes.

The project (`bench/project`) is downloaded once through the ordinary settings of the go command, and kept. A tree laid out
as a GOPROXY is linked from that module cache; `records.json` beside it has the hashes that a checksum database needs.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from bench.kept import kept_folder
from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.path import unescape
from tests.world.go import go_binary
from tests.world.modules import write_lists
from tests.world.sumdb import SumDB

PROJECT = Path(__file__).parent / "project"
SUMDB = "sum.bench.test"

SMALL = "bench.test/small"
SMALL_COUNT = 256
"""Versions of the module whose `.info` has some 200 bytes and whose `.mod` has some 3 kB."""
MEDIUM = "bench.test/medium"
LARGE = "bench.test/large"
LARGE_COUNT = 12
HUGE = "bench.test/huge"
HERD_COUNT = 1000
TIME = "2024-05-06T07:08:09Z"


@dataclass(frozen=True)
class Filled:
    """`tree` is laid out as a GOPROXY; `vkey` is the key of the database that has all its records.

    `modules` is the number of modules in the project's graph, or 0 where they could not be downloaded.
    """

    tree: Path
    records: Path
    modules: int
    downloads: int

    @property
    def vkey(self) -> str:
        """What GOSUMDB needs."""
        return SumDB(SUMDB).vkey


def filled() -> Filled:
    """The tree, made on the first call on a machine; takes some minutes then."""
    kept = kept_folder("upstream")
    done = kept / "done.json"
    with FileLock(str(kept) + ".lock"):
        if not done.exists():
            counts = _fill(kept)
            _make_up(kept / "tree")
            write_lists(kept / "tree")
            (kept / "records.json").write_text(json.dumps(_records(kept / "tree")))
            done.write_text(json.dumps(counts))
        counts = json.loads(done.read_text())
    return Filled(kept / "tree", kept / "records.json", counts["modules"], counts["downloads"])


def database(records: Path) -> SumDB:
    """The checksum database that has all the records."""
    made = SumDB(SUMDB)
    for each in json.loads(records.read_text()):
        made.add(*each)
    return made


def _fill(kept: Path) -> dict[str, int]:
    """Download the project's modules; how many there are, and how many of them have a zip."""
    work = kept / "project"
    shutil.copytree(PROJECT, work, dirs_exist_ok=True)
    env = dict(os.environ) | {
        "GOMODCACHE": str(kept / "modcache"),
        "GOFLAGS": "-modcacherw -mod=mod",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    lines = ""
    for command in (("mod", "download"), ("list", "-m", "all")):
        done = subprocess.run(
            [str(go_binary()), *command],
            cwd=work,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if done.returncode:
            print(
                f"the large project cannot be had: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr
            )
            return {"modules": 0, "downloads": 0}
        lines = done.stdout
    download, tree = kept / "modcache/cache/download", kept / "tree"
    downloads = len(list(download.rglob("@v/*.zip")))
    _fill_zips(work, env, download)
    for source in sorted(download.rglob("@v/*")):
        if source.suffix in {".info", ".mod", ".zip"}:
            target = tree / source.relative_to(download)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.hardlink_to(source)
    for mod in sorted(tree.rglob("@v/*.mod")):
        info = mod.with_suffix(".info")
        if not info.exists():
            info.write_text(json.dumps({"Version": unescape(mod.stem), "Time": _time_of(mod.stem)}))
    return {"modules": len(lines.splitlines()) - 1, "downloads": downloads}


def _fill_zips(work: Path, env: dict[str, str], download: Path) -> None:
    """Download the zips that nobody needs, too: there are proxies that fetch them for each `.mod`."""
    wanted = [
        f"{unescape(str(mod.parent.parent.relative_to(download)))}@{unescape(mod.stem)}"
        for mod in sorted(download.rglob("@v/*.mod"))
        if not mod.with_suffix(".zip").exists()
    ]
    for first in range(0, len(wanted), 50):
        command = [str(go_binary()), "mod", "download", *wanted[first : first + 50]]
        subprocess.run(command, cwd=work, env=env, capture_output=True, check=False, timeout=900)


def _time_of(version: str) -> str:
    """A time that a version may have: a pseudo-version says its own."""
    found = re.search(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)-[0-9a-f]{12}$", version)
    return "{}-{}-{}T{}:{}:{}Z".format(*found.groups()) if found else TIME


# Made-up modules.


def _make_up(tree: Path) -> None:
    for number in range(SMALL_COUNT):
        _module(tree, SMALL, f"v1.0.{number}", 0)
    for number in range(8):
        _module(tree, MEDIUM, f"v1.0.{number}", 300_000)
    for number in range(LARGE_COUNT):
        _module(tree, LARGE, f"v1.0.{number}", 20_000_000)
    _module(tree, HUGE, "v1.0.0", 500_000_000)
    for number in range(HERD_COUNT):
        _module(tree, herd_module(number), "v1.0.0", 0)


def herd_module(number: int) -> str:
    """The path of one of the modules that many clients ask for at once."""
    return f"bench.test/herd/m{number:04d}"


def _module(tree: Path, path: str, version: str, size: int) -> None:
    """A valid module whose zip has about `size` bytes, which do not compress."""
    folder = tree / path / "@v"
    folder.mkdir(parents=True, exist_ok=True)
    origin = {"VCS": "git", "URL": f"https://{path}", "Hash": "0123456789" * 4, "Ref": f"refs/tags/{version}"}
    info = {"Version": version, "Time": TIME, "Origin": origin}
    (folder / f"{version}.info").write_text(json.dumps(info, separators=(",", ":")))
    padding = "".join(f"// line {number:03d} of what makes this file three kB long\n" for number in range(56))
    mod = f"module {path}\n\ngo 1.21\n\n{padding}".encode()
    (folder / f"{version}.mod").write_bytes(mod)
    chance = random.Random(path + version)
    with zipfile.ZipFile(folder / f"{version}.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(f"{path}@{version}/go.mod"), mod)
        archive.writestr(_member(f"{path}@{version}/a.go"), b"package a\n")
        part = 0
        while size > 0:
            many = min(size, 10_000_000)
            archive.writestr(_member(f"{path}@{version}/data/p{part}.bin"), chance.randbytes(many))
            size, part = size - many, part + 1


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # with zip's first day as its time, so that the same is made everywhere


def _records(tree: Path) -> list[tuple[str, str, str, str]]:
    """(path, version, hash of the zip or nothing, hash of the .mod) of each version, in the paths' order."""
    found = []
    for mod in sorted(tree.rglob("@v/*.mod")):
        archive = mod.with_suffix(".zip")
        found.append(
            (
                unescape(str(mod.parent.parent.relative_to(tree))),
                unescape(mod.name.removesuffix(".mod")),
                hash_zip(archive) if archive.exists() else "",
                go_mod_hash(mod.read_bytes()),
            )
        )
    return found
