"""`export` here, `import` where there is no network at all, and the real go command in between and behind."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from goproxy_mirror.mirror.archive import ArchiveReader, ArchiveWriter, Entry
from tests.e2e.moving import DATABASE, Mover, believing, contents
from tests.world.go import Go
from tests.world.internet import Internet
from tests.world.modules import CHECK, CHECK_VERSION, PROJECT, TOML, Modules
from tests.world.offline import offline
from tests.world.server import Server
from tests.world.sumdb import SumDB, mount
from tests.world.upstream import Upstream

CLOSED = "http://127.0.0.1:1"
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), CLOSED)
DEAD = ("--upstream", "https://dead.example|https://dead.invalid", "--no-builtin-mirrors")


@dataclass
class Sides:
    """A machine with a network and one without: the bundle of the project, and the store that it was imported into."""

    folder: Path
    database: SumDB
    here: Mover
    there: Mover
    bundle: Path
    data: Path

    def server(self, name: str) -> Server:
        """A server on the imported store, for which every way out is closed."""
        settings = (*DEAD, *believing(self.database))
        return Server(self.folder / name, "--data", str(self.data), *settings, env=NOWHERE)

    def developer(self, name: str, url: str) -> Go:
        """Somebody beside it, who believes the database and nothing else."""
        return Go(self.folder / name, goproxy=url, env={**NOWHERE, "GOSUMDB": self.database.vkey})


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, modules: Modules) -> Iterator[Sides]:
    """The project's bundle, made by its go.mod and go.sum and imported on the other side."""
    folder = tmp_path_factory.mktemp("bundle")
    database = SumDB()
    database.fill(300)
    database.add_tree(modules.tree)
    with ExitStack() as stack:
        internet = stack.enter_context(Internet(folder / "internet", trustme.CA()))
        upstream = stack.enter_context(Upstream(modules.tree))
        mount(internet, DATABASE, database)
        here = Mover(
            folder,
            ("--upstream", upstream.url, "--no-builtin-mirrors", *believing(database)),
            internet.env(),
        )
        developer = Go(folder / "author", goproxy=upstream.url)
        developer.project({**PROJECT, "go.sum": modules.go_sum})
        bundle = folder / "bundle.tar.zst"
        done = here.run(
            "export",
            str(bundle),
            "--go-mod",
            str(developer.work / "go.mod"),
            "--go-sum",
            str(developer.work / "go.sum"),
            data=folder / "here",
        )
        assert (done.status, done.out) == (0, b""), done.text
        there = Mover(folder, (*DEAD, *believing(database)), NOWHERE)
        data = folder / "there"
        taken = there.run("import", str(bundle), data=data)
        assert taken.status == 0, taken.text
        assert b"0 refused" in taken.out
        yield Sides(folder, database, here, there, bundle, data)


def test_build_without_any_network(
    sides: Sides, modules: Modules, record_property: Callable[[str, object], None]
) -> None:
    """`go build`, `go mod download`, `go mod verify` and `go mod graph` work, each record proven by the database's own tree."""
    with sides.server("server") as server:
        developer = sides.developer("developer", server.url)
        developer.project({**PROJECT, "go.sum": ""})
        developer.run("mod", "download", "-json").ok()
        developer.run("build", "-mod=mod", "./...").ok()
        assert "all modules verified" in developer.run("mod", "verify").ok().stdout
        developer.run("mod", "graph").ok()
        assert set(developer.go_sum().splitlines()) <= set(modules.go_sum.splitlines())
        # Positive control: this developer does ask the database, and what the bundle has not is not there.
        assert "dead.example" in developer.run("mod", "download", f"{TOML}@v0.3.1").failed().stderr
        log = (developer.folder / "gopath/pkg/sumdb" / sides.database.name / "latest").read_text()
        assert log.startswith("go.sum database tree\n")
    apart = sides.developer("apart", "off")
    apart.project({**PROJECT, "go.sum": ""})
    commands = ("go build -mod=mod ./...", "go mod verify")
    said = offline(apart, sides.data, *commands, settings=believing(sides.database))
    assert "all modules verified" in said
    assert (apart.folder / "gopath/pkg/sumdb" / sides.database.name / "latest").exists()
    record_property("network", said.splitlines()[-1])


def test_import_again_and_backup(sides: Sides, tmp_path: Path) -> None:
    """A second import passes over everything; the same bundle is made anew to the byte; a backup carries its proofs along."""
    again = sides.there.run("import", "-", data=sides.data, stdin=sides.bundle.read_bytes())
    assert (again.status, b"0 imported" in again.out) == (0, True), again.text
    project = sides.folder / "author" / "work"
    files = ("--go-mod", str(project / "go.mod"), "--go-sum", str(project / "go.sum"))
    twin = sides.here.run("export", "-", *files, data=sides.folder / "here")
    thrice = sides.here.run("export", "-", *files, data=sides.folder / "here")
    assert (twin.status, twin.out) == (0, thrice.out), twin.text
    stream = sides.there.run("backup", data=sides.data).out
    copy = tmp_path / "copy"
    assert sides.there.run("restore", data=copy, stdin=stream).status == 0
    assert contents(copy / "store") == contents(sides.data / "store")
    verified = sides.there.run("verify", data=copy)
    assert (verified.status, b" 0 that nobody could vouch for" in verified.out) == (0, True), verified.text


def test_next_bundle_goes_on(sides: Sides, tmp_path: Path) -> None:
    """A bundle of a later tree is believed by who has the first one's, go commands included, again without a network."""
    data = tmp_path / "data"
    shutil.copytree(sides.data, data)
    with Server(
        tmp_path / "server", "--data", str(data), *DEAD, *believing(sides.database), env=NOWHERE
    ) as server:
        developer = sides.developer("next", server.url)
        developer.project({**PROJECT, "go.sum": ""})
        developer.run("mod", "download").ok()
        sides.database.fill(700)
        second = sides.here.run("export", "-", f"{CHECK}@{CHECK_VERSION}", data=sides.folder / "here")
        assert second.status == 0, second.text
        taken = sides.there.run("import", "-", data=data, stdin=second.out)
        assert taken.status == 0, taken.text
        developer.run("mod", "download", f"{CHECK}@{CHECK_VERSION}").ok()


def changed(bundle: Path, change: Callable[[str, bytes], bytes]) -> bytes:
    """The bundle with other content, whole in itself."""
    with bundle.open("rb") as file:
        reader = ArchiveReader(file)
        entries = [Entry(member.name, change(member.name, reader.content(member))) for member in reader]
    out = io.BytesIO()
    writer = ArchiveWriter(out, reader.kind, compress=False)
    writer.add(entries)
    writer.end()
    return out.getvalue()


def test_bundle_that_lies(sides: Sides, tmp_path: Path) -> None:
    """Nothing of a bundle is believed for being in it: what was changed is refused, and all else is imported."""
    zips = sorted(key for key in contents(sides.data / "store") if key.endswith(".zip"))
    lies = (f"modules/{zips[0]}", f"modules/{zips[1].removesuffix('.zip')}.mod")

    def lie(name: str, content: bytes) -> bytes:
        if name == lies[0]:
            return (sides.data / "store" / zips[1]).read_bytes()
        return content + b"\n" if name == lies[1] else content

    done = sides.there.run("import", "-", data=tmp_path / "data", stdin=changed(sides.bundle, lie))
    assert done.status == 1, done.text
    refused = [line.split()[1].rstrip(":") for line in done.text.splitlines() if line.startswith("refused")]
    # With a `.mod` goes the `.info` that it would have vouched for.
    assert sorted(refused) == sorted(
        [zips[0], lies[1].removeprefix("modules/"), zips[1].removesuffix(".zip") + ".info"]
    )
    missing = set(contents(sides.data / "store")) - set(contents(tmp_path / "data" / "store"))
    assert {key for key in missing if not key.endswith("/list")} == set(refused)

    def forge(name: str, content: bytes) -> bytes:
        return content.replace(b"h1:", b"h1:A") if "/lookup/" in name else content

    forged = sides.there.run("import", "-", data=tmp_path / "forged", stdin=changed(sides.bundle, forge))
    assert forged.status == 1
    assert contents(tmp_path / "forged" / "store") == {}
    stranger = Mover(tmp_path, (*DEAD, *believing(SumDB(seed=b"another signer"))), NOWHERE)
    done = stranger.run("import", str(sides.bundle), data=tmp_path / "stranger")
    assert done.status != 0
    assert contents(tmp_path / "stranger" / "store") == {}
