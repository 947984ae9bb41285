"""Real modules for the tests: a GOPROXY tree that holds a few pinned versions, and what the go command makes of them.

The tree is filled once, through the machine's ordinary Go settings, and kept. Where no registry of Go modules can
be reached, stand-ins with the same paths, versions and imports are made on the spot, so that no test is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.world.folders import cache_folder
from tests.world.go import Go, go_binary, main_package, write_files
from tests.world.standins import write_standins

FORMAT = "3"
"""Raise this when the pinned versions or the layout of the kept folder change."""

MOD = "golang.org/x/mod"
MOD_VERSIONS = ("v0.20.0", "v0.21.0", "v0.22.0")
HELLO = "golang.org/x/example/hello"
HELLO_VERSION = "v0.0.0-20250915201037-7f05d217867b"
QUOTE = "rsc.io/quote"
UUID = "github.com/google/uuid"
YAML = "gopkg.in/yaml.v3"
TOML = "github.com/BurntSushi/toml"
CHECK = "gopkg.in/check.v1"
CHECK_VERSION = "v0.0.0-20161208181325-20d25e280405"
ERRORS = "github.com/pkg/errors"
ERRORS_VERSIONS = ("v0.8.0", "v0.8.1")

PROJECT_IMPORTS = (UUID, f"{MOD}/sumdb/note", YAML, QUOTE)
PROJECT_REQUIRES = f"""
require (
	{UUID} v1.6.0
	{MOD} v0.20.0
	{YAML} v3.0.1
	{QUOTE} v1.5.2
)
"""
PROJECT = main_package(*PROJECT_IMPORTS, go_mod=PROJECT_REQUIRES)
"""A project with tagged and pseudo-versioned, direct and indirect, vanity and plain dependencies."""

NESTED_PROJECT = main_package(f"{MOD}/sumdb/note", f"{MOD}/semver")
"""A project that imports packages deep in a vanity module, and requires nothing yet."""

DOWNLOADS = (
    *(f"{MOD}@{version}" for version in MOD_VERSIONS),
    f"{HELLO}@{HELLO_VERSION}",
    f"{TOML}@v0.3.1",
    f"{CHECK}@{CHECK_VERSION}",
    *(f"{ERRORS}@{version}" for version in ERRORS_VERSIONS),
)


@dataclass(frozen=True)
class Modules:
    """The kept modules.

    `tree` is laid out as a GOPROXY and lists exactly the versions it holds; `modcache` is a go command's own
    GOMODCACHE, as that command left it; `go_sum` is the project's go.sum made without any proxy of ours;
    `real` tells whether these are the published modules or stand-ins.
    """

    tree: Path
    modcache: Path
    go_sum: str
    nested_go_sum: str
    real: bool

    def file(self, escaped: str, version: str, kind: str) -> bytes:
        """A file of the tree."""
        return (self.tree / escaped / "@v" / f"{version}.{kind}").read_bytes()

    def zips(self) -> Iterator[tuple[str, str, Path]]:
        """Escaped module path, version and file of every zip in the tree."""
        for path in sorted(self.tree.rglob("@v/*.zip")):
            yield str(path.parent.parent.relative_to(self.tree)), path.stem, path


def kept_modules() -> Modules:
    """The modules, made on the first call on a machine and shared by all test processes."""
    kept = cache_folder() / f"modules-{FORMAT}"
    with FileLock(str(kept) + ".lock"):
        if not (kept / "done").exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir()
            real = not os.environ.get("GOPROXY_MIRROR_TESTS_OFFLINE") and _fill_from_registry(kept)
            if not real:
                shutil.rmtree(kept)
                kept.mkdir()
                _fill_with_standins(kept)
            (kept / "done").write_text("real" if real else "stand-ins")
    return Modules(
        tree=kept / "tree",
        modcache=kept / "modcache",
        go_sum=(kept / "project.sum").read_text(),
        nested_go_sum=(kept / "nested.sum").read_text(),
        real=(kept / "done").read_text() == "real",
    )


def _fill_from_registry(kept: Path) -> bool:
    """Fill a module cache through the machine's ordinary Go settings; False where that is not possible."""
    env = dict(os.environ) | {
        "GOMODCACHE": str(kept / "modcache"),
        "GOPATH": str(kept / "gopath"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }

    def go(folder: Path, *argv: str) -> bool:
        done = subprocess.run(
            [str(go_binary()), *argv], cwd=folder, env=env, capture_output=True, check=False, timeout=300
        )
        return done.returncode == 0

    project, nested = kept / "project", kept / "nested"
    write_files(project, PROJECT)
    filled = (
        go(project, "mod", "tidy")
        and go(project, "mod", "download")
        and all(go(project, "mod", "download", each) for each in DOWNLOADS)
    )
    if not filled:
        return False
    _write_tree(kept)
    shutil.copy(project / "go.sum", kept / "project.sum")
    # The nested project takes the newest version: the tree's own newest, so that every machine sees the same.
    write_files(nested, NESTED_PROJECT)
    env |= {"GOPROXY": (kept / "tree").as_uri(), "GOMODCACHE": str(kept / "scratch"), "GOSUMDB": "off"}
    if not go(nested, "mod", "tidy"):
        return False
    shutil.copy(nested / "go.sum", kept / "nested.sum")
    shutil.rmtree(kept / "scratch")
    return True


def _write_tree(kept: Path) -> None:
    """Copy the module cache's downloads, with lists that name exactly what is there."""
    download, tree = kept / "modcache/cache/download", kept / "tree"
    for source in sorted(download.rglob("@v/*")):
        if source.suffix in {".info", ".mod", ".zip"}:
            target = tree / source.relative_to(download)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    write_lists(tree)


def write_lists(tree: Path) -> None:
    """Write `@v/list` and `@latest` of every module in a GOPROXY tree."""
    for folder in sorted(tree.rglob("@v")):
        whole = [path.stem for path in folder.glob("*.info") if (folder / f"{path.stem}.zip").exists()]
        tagged = sorted((v for v in whole if not re.search(r"\d{14}-[0-9a-f]{12}", v)), key=_order)
        (folder / "list").write_text("".join(f"{each}\n" for each in tagged))
        if whole:
            latest = tagged[-1] if tagged else max(whole)
            info = json.loads((folder / f"{latest}.info").read_text())
            (folder.parent / "@latest").write_text(json.dumps({k: info[k] for k in ("Version", "Time")}))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version)[:3])


def _fill_with_standins(kept: Path) -> None:
    """Make the tree from stand-ins, and the rest as above, by the go command with that tree as its GOPROXY."""
    write_standins(kept / "tree")
    write_lists(kept / "tree")
    for name, files in (("project", PROJECT), ("nested", NESTED_PROJECT)):
        go = Go(kept / name, goproxy=(kept / "tree").as_uri(), env={"GOMODCACHE": str(kept / "modcache")})
        go.project(files)
        go.run("mod", "tidy").ok()
        go.run("mod", "download").ok()
        (kept / f"{name}.sum").write_text(go.go_sum())
