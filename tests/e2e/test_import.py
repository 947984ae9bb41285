"""`import` from what other programs keep: each layout made as its program leaves it, whole and spoilt."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.module.path import unescape
from tests.e2e.moving import DATABASE, Mover, believing, contents
from tests.world.go import clean_environment
from tests.world.internet import Internet
from tests.world.modules import MOD, MOD_VERSIONS, TOML, Modules
from tests.world.nodes import write_modules
from tests.world.objectstore import BUCKET, ObjectServer, object_server
from tests.world.polling import eventually
from tests.world.server import Server, program
from tests.world.store import damaged_files, published_files
from tests.world.sumdb import SumDB, mount
from tests.world.upstream import Upstream
from tests.world.zips import contents as zip_contents
from tests.world.zips import write_zip

CAPITAL = "github.com/!burnt!sushi/toml/@v/v0.3.1"


@dataclass
class Importing:
    """A database with records of all kept modules, and commands that can reach it and nothing else."""

    folder: Path
    internet: Internet
    database: SumDB
    mover: Mover


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, modules: Modules) -> Iterator[Importing]:
    """One for all tests here."""
    folder = tmp_path_factory.mktemp("importing")
    database = SumDB()
    database.add_tree(modules.tree)
    with ExitStack() as stack:
        internet = stack.enter_context(Internet(folder / "internet", trustme.CA()))
        mount(internet, DATABASE, database)
        settings = ("--upstream", "off", "--no-builtin-mirrors", *believing(database))
        yield Importing(folder, internet, database, Mover(folder, settings, internet.env()))


def files(modules: Modules) -> dict[str, bytes]:
    """All files of all kept modules, by key."""
    return {
        f"{path}/@v/{version}.{ending}": modules.file(path, version, ending)
        for path, version, _ in modules.zips()
        for ending in ("info", "mod", "zip")
    }


def written(folder: Path, named: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in named.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def athens(key: str) -> str:
    """Where Athens has a file on its disk."""
    path, _, name = key.partition("/@v/")
    version, _, ending = name.rpartition(".")
    own = {"mod": "go.mod", "zip": "source.zip", "info": f"{unescape(version)}.info"}[ending]
    return f"{unescape(path)}/{unescape(version)}/{own}"


def athens_bucket(key: str) -> str:
    """Where Athens has it in a bucket of S3."""
    return unescape(key)


def goproxyio(key: str) -> str:
    """Where goproxyio has it that asks an upstream at a path."""
    return f"pkg/mod/cache/download/goproxy/{key}"


@pytest.mark.parametrize("layout", [athens, athens_bucket, goproxyio, str])
def test_layouts(layout: Callable[[str], str], world: Importing, modules: Modules, tmp_path: Path) -> None:
    """Every version arrives, byte for byte, whatever the layout; what is spoilt is refused with its reason, and nothing else."""
    named = {layout(key): body for key, body in files(modules).items()}
    spoilt = layout(f"{MOD}/@v/{MOD_VERSIONS[0]}.zip"), layout(f"{MOD}/@v/{MOD_VERSIONS[1]}.mod")
    named[spoilt[0]] = named[spoilt[0]][:5000]  # neither Athens nor goproxyio writes a file as a whole
    named[spoilt[1]] = b""
    named |= {layout(f"{MOD}/@v/master.info"): b"{}", "notes.txt": b"x", f"{MOD}/README": b"x"}
    source = written(tmp_path / "source", named)
    done = world.mover.run("import", str(source), "--json", data=tmp_path / "data")
    *lines, last = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == 1, done.text
    refused = {line["file"]: line["reason"] for line in lines if line["verdict"] == "refused"}
    bad = {
        f"{MOD}/@v/{MOD_VERSIONS[0]}.zip",
        *(f"{MOD}/@v/{MOD_VERSIONS[1]}.{end}" for end in ("mod", "info")),
    }
    assert set(refused) == bad
    assert all(refused.values())
    held = {key for key in contents(tmp_path / "data" / "store") if not key.endswith("/list")}
    assert held == set(files(modules)) - bad
    assert damaged_files(tmp_path / "data" / "store", modules.tree) == []
    assert last["summary"]["imported"] == len(held)
    assert last["whole"] is True
    # The same again costs nothing but a look, and what was mended comes in.
    written(source, {layout(key): files(modules)[key] for key in bad})
    again = world.mover.run("import", str(source), data=tmp_path / "data")
    assert (again.status, b"3 imported" in again.out) == (0, True), again.text


@pytest.mark.parametrize("layout", [athens_bucket, str])
def test_a_bucket(layout: Callable[[str], str], world: Importing, modules: Modules, tmp_path: Path) -> None:
    """A bucket of a real service, as Athens or this program fills it, is taken over into another part of it, byte for byte."""
    program = object_server()
    if isinstance(program, str):
        pytest.skip(program)
    with ObjectServer(program, tmp_path / "s3") as s3:
        written(s3.folder / BUCKET / "old", {layout(key): body for key, body in files(modules).items()})
        mover = Mover(
            world.folder, (*world.mover.settings, *s3.arguments("new")), {**world.internet.env(), **s3.env()}
        )
        done = mover.run("import", f"s3://{BUCKET}/old", data=tmp_path / "data")
        assert done.status == 0, done.text
        new = s3.folder / BUCKET / "new"
        assert all((new / key).is_file() for key in files(modules))
        proven = {key: body for key, body in files(modules).items() if not key.endswith(".info")}
        assert {key: (new / key).read_bytes() for key in proven} == proven
        again = mover.run("import", f"s3://{BUCKET}/old", data=tmp_path / "data")
        assert (again.status, b"0 imported" in again.out) == (0, True), again.text


def test_a_real_module_cache(world: Importing, modules: Modules, tmp_path: Path) -> None:
    """A go command's own GOMODCACHE, with its locks, partial downloads and unpacked sources, gives all that it holds whole."""
    cache = tmp_path / "modcache"
    shutil.copytree(modules.modcache, cache)
    (cache / "cache/download" / f"{MOD}/@v" / "v9.9.9.zip.tmp").write_bytes(b"half")
    done = world.mover.run("import", str(cache), data=tmp_path / "data")
    assert done.status == 0, done.text
    cached = {
        str(file.relative_to(cache / "cache/download"))
        for file in (cache / "cache/download").rglob("@v/*")
        if file.suffix in {".mod", ".zip"}
    }
    assert cached <= set(contents(tmp_path / "data" / "store"))


def test_another_server(world: Importing, modules: Modules, tmp_path: Path) -> None:
    """What a server's index names is taken from it, without having it fetch anything; beside a server that serves already."""
    with Upstream(modules.tree) as upstream, ExitStack() as stack:
        settings = ("--upstream", upstream.url, *believing(world.database))
        old = stack.enter_context(Server(tmp_path / "old", *settings, env=world.internet.env()))
        for ending in ("info", "mod", "zip"):
            assert old.get(f"/{CAPITAL}.{ending}").status == 200
        for ending in ("info", "mod"):
            assert old.get(f"/{MOD}/@v/{MOD_VERSIONS[0]}.{ending}").status == 200
        new = stack.enter_context(Server(tmp_path / "new", "--upstream", "off", "--gosumdb", "off"))
        done = world.mover.run("import", old.url, "--json", data=new.data)
        assert done.status == 0, done.text
        assert json.loads(done.out.splitlines()[-1])["summary"] == {
            "imported": 5, "here": 0, "refused": 0, "unproven": 0, "alone": 0, "stray": 1,
        }  # fmt: skip
        assert not (old.store / MOD / "@v" / f"{MOD_VERSIONS[0]}.zip").exists()
        assert new.get(f"/{CAPITAL}.zip").body == files(modules)[f"{CAPITAL}.zip"]
        assert new.get("/index").text.count(TOML) == 1


def test_private_modules(world: Importing, modules: Modules, tmp_path: Path) -> None:
    """Outside every database the first import pins; a later one that brings other bytes is refused."""
    private = Mover(
        world.folder, (*world.mover.settings, "--private", "golang.org/x/*"), world.internet.env()
    )
    key = f"{MOD}/@v/{MOD_VERSIONS[0]}"
    three = {name: body for name, body in files(modules).items() if name.startswith(f"{key}.")}
    source = written(tmp_path / "source", three)
    assert private.run("import", str(source), data=tmp_path / "data").status == 0
    before = contents(tmp_path / "data" / "store")
    other = written(tmp_path / "other", three)
    (other / f"{key}.zip").unlink()
    prefix = f"{MOD}@{MOD_VERSIONS[0]}"
    write_zip(other / f"{key}.zip", prefix, zip_contents(three[f"{key}.zip"], prefix))
    assert (other / f"{key}.zip").read_bytes() != three[f"{key}.zip"]
    again = private.run("import", str(other), data=tmp_path / "data")
    assert (again.status, b"3 here already, 0 refused" in again.out) == (0, True), again.text
    # What differs is told, whichever file it is, and nothing is overwritten.
    written(other, {f"{key}.mod": three[f"{key}.mod"] + b"\n// changed\n"})
    write_zip(other / f"{key}.zip", prefix, {"go.mod": b"module golang.org/x/mod\n"})
    conflict = private.run("import", str(other), data=tmp_path / "data")
    assert (conflict.status, conflict.out.count(b"another file is published here")) == (1, 2), conflict.text
    assert contents(tmp_path / "data" / "store") == before
    (tmp_path / "data" / "store" / f"{key}.mod").unlink()
    written(source, {f"{key}.mod": three[f"{key}.mod"] + b"\n// changed\n"})
    done = private.run("import", str(source), data=tmp_path / "data")
    assert (done.status, b"first seen" in done.out) == (1, True), done.text


def test_no_database(world: Importing, modules: Modules, tmp_path: Path) -> None:
    """Where nobody can vouch for anything now, nothing is imported, and the status says that it may be tried again."""
    alone = Mover(world.folder, world.mover.settings, {"HTTPS_PROXY": "http://127.0.0.1:1"})
    key = f"{MOD}/@v/{MOD_VERSIONS[0]}.mod"
    source = written(tmp_path / "source", {key: files(modules)[key]})
    done = alone.run("import", str(source), data=tmp_path / "data")
    assert (done.status, b"unproven" in done.out) == (3, True), done.text
    assert contents(tmp_path / "data" / "store") == {}


def test_killed_in_the_middle(world: Importing, tmp_path: Path) -> None:
    """What a killed import took is whole, and the same command takes the rest."""
    tree = tmp_path / "tree"
    write_modules(tree, "many", 150)
    data = tmp_path / "data"
    names = {str(each.relative_to(tree)) for each in tree.rglob("@v/*") if each.name != "list"}
    command = [*program("import"), str(tree), "--data", str(data), "--upstream", "off"]
    killed = subprocess.Popen(
        command,
        env={**clean_environment(tmp_path), "GOSUMDB": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: published_files(data / "store"), what="an imported file")
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    held = {key for key in contents(data / "store") if not key.endswith("/list")}
    assert 0 < len(held) < len(names), "it was killed in the middle"
    done = Mover(tmp_path).run("import", str(tree), "--json", data=data)
    counts = json.loads(done.out.splitlines()[-1])["summary"]
    assert (done.status, counts["imported"], counts["here"]) == (0, len(names) - len(held), len(held)), (
        done.text
    )
    assert {key for key in contents(data / "store") if not key.endswith("/list")} == names
    assert damaged_files(data / "store", tree) == []
