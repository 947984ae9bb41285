"""Group U: upstreams that serve something else than was published, against a checksum database of the tests' own.

502, nothing published, and who lied is named; with another upstream in the list, that one's file within the same request,
whatever separator stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from tests.module.zipkit import archive, entry
from tests.threats.hostile_zips import go_mod, honest
from tests.threats.proving import Proving, file_of, proving
from tests.world.store import published_files
from tests.world.upstream import Fault


def version(number: int) -> ModuleVersion:
    """Each case has a version of its own."""
    return ModuleVersion(ModulePath.parse("lied.test/m"), Version(f"v1.0.{number}"))


def _changed(mv: ModuleVersion) -> bytes:
    """A sound zip of that version with a byte changed in one file."""
    prefix = f"{mv}/".encode()
    return archive(entry(prefix + b"go.mod", go_mod(mv)), entry(prefix + b"a.go", b"package b\n"))


def _added(mv: ModuleVersion) -> bytes:
    """A file more than was published."""
    prefix = f"{mv}/".encode()
    files = (
        (b"go.mod", go_mod(mv)),
        (b"a.go", b"package a\n"),
        (b"init.go", b"package a\n\nfunc init() {}\n"),
    )
    return archive(*(entry(prefix + name, content) for name, content in files))


def _without(mv: ModuleVersion) -> bytes:
    """A file less."""
    return archive(entry(f"{mv}/go.mod".encode(), go_mod(mv)))


def _relabelled(mv: ModuleVersion) -> bytes:
    """Another version's files under this version's name."""
    prefix = f"{mv}/".encode()
    return archive(entry(prefix + b"go.mod", go_mod(mv)), entry(prefix + b"a.go", b"package a // older\n"))


ZIPS: dict[str, Callable[[ModuleVersion], bytes]] = {
    "U04": _changed,
    "U04 added": _added,
    "U04 left out": _without,
    "U04 empty": lambda _: archive(),
    "U05": lambda mv: honest(ModuleVersion(mv.path, Version("v0.9.0"))),
    "U05 relabelled": _relabelled,
}
MODS: dict[str, Callable[[ModuleVersion], bytes]] = {
    "U04 mod": lambda mv: go_mod(mv) + b"require evil.test/x v1.0.0\n",
    "U04 replaced": lambda _: b"module evil.test/x\n",
    "U04 blank": lambda mv: go_mod(mv) + b"\n",
}
NUMBERS = {name: number for number, name in enumerate([*ZIPS, *MODS])}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proving]:
    """Everything is recorded; the liar has other files."""
    with proving(tmp_path_factory.mktemp("lies")) as world:
        for name, lie in ZIPS.items():
            mv = version(NUMBERS[name])
            world.publish(mv, go_mod(mv), honest(mv), lie=lie(mv))
        for name, mod_lie in MODS.items():
            mv = version(NUMBERS[name])
            world.publish(mv, go_mod(mv), honest(mv), mod_lie=mod_lie(mv))
        for number in range(100, 110):
            mv = version(number)
            world.publish(mv, go_mod(mv), honest(mv))
        yield world


@pytest.mark.parametrize("name", NUMBERS)
def test_u04_u05__something_else_than_was_published(name: str, world: Proving) -> None:
    """502 that names who lied, and nothing of it is visible; what is true of the same version is served."""
    mv = version(NUMBERS[name])
    server = world.server("liar")
    ending, other = ("zip", "mod") if name in ZIPS else ("mod", "zip")
    before = published_files(server.store)
    for _ in range(2):
        answer = server.get(file_of(mv, ending))
        assert answer.status == 502, answer.text
        assert world.liar.url in answer.text
        assert "no-store" in answer.headers["cache-control"]
        assert str(server.data) not in answer.text
    assert not (set(published_files(server.store)) - set(before)) & {file_of(mv, ending)[1:]}
    assert "a source lied" in server.log()
    assert server.get(file_of(mv, other)).status == 200


@pytest.mark.parametrize("separator", ["|", ","])
@pytest.mark.parametrize("name", NUMBERS)
def test_u04_u05_u23__mirrors_disagree(name: str, separator: str, world: Proving) -> None:
    """U23: the one that has what was published is believed, within the same request."""
    mv = version(NUMBERS[name])
    server = world.server("liar", "honest", separator=separator)
    for ending, true in (("mod", go_mod(mv)), ("zip", honest(mv))):
        answer = server.get(file_of(mv, ending))
        assert (answer.status, answer.body) == (200, true)
        assert (server.store / file_of(mv, ending)[1:]).read_bytes() == true


def test_u23__they_disagree_about_what_there_is(world: Proving) -> None:
    """A list that names more, or less, makes no version of it: what can be had is what was published."""
    server = world.server("honest", "liar")
    invented = version(999)
    folder = world.liar.tree / "lied.test/m/@v"
    for ending, body in (
        ("info", b'{"Version":"v1.0.999"}'),
        ("mod", go_mod(invented)),
        ("zip", honest(invented)),
    ):
        (folder / f"v1.0.999.{ending}").write_bytes(body)
    for ending in ("info", "mod", "zip"):
        answer = server.get(file_of(invented, ending))
        assert answer.status in {404, 502}, answer.text
        assert world.server("liar").get(file_of(invented, ending)).status == 502
    assert "v1.0.999" not in server.get("/lied.test/m/@v/list").text.split()
    assert not [key for key in published_files(server.store) if "v1.0.999" in key]


def test_u20__gone_after_it_was_proven(world: Proving) -> None:
    """410 from the upstream takes nothing away that was proven and stored; what is recorded is never said to be absent."""
    server = world.server("honest")
    kept, asked = version(100), version(101)
    for ending in ("info", "mod", "zip"):
        assert server.get(file_of(kept, ending)).status == 200
    world.honest.break_with(Fault("status", status=410))
    try:
        for ending in ("info", "mod", "zip"):
            assert server.get(file_of(kept, ending)).status == 200
            assert server.get(file_of(asked, ending)).status == 502
    finally:
        world.honest.mend()
