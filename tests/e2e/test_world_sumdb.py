"""The tests' own checksum database, with no server of ours in it: the go command believes it, and none of its lies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import NewDeveloper
from tests.world import sumlies
from tests.world.go import Go, main_package
from tests.world.internet import Internet
from tests.world.modules import ERRORS, Modules
from tests.world.sumdb import Lie, SumDB, SumDBServer, lookup_path, mount

VERSION = "v0.8.1"
WANTED = f"{ERRORS}@{VERSION}"
LOOKUP = lookup_path(ERRORS, VERSION)


@pytest.fixture(scope="module")
def recorded(modules: Modules) -> SumDB:
    """A database of some 600 records that has the kept modules amid others."""
    database = SumDB()
    database.fill(500)
    database.add_tree(modules.tree)
    database.fill(600 - database.size)
    return database


@pytest.fixture
def served(recorded: SumDB) -> Iterator[SumDBServer]:
    """An honest place of it."""
    with SumDBServer(recorded.mirror()) as server:
        yield server


def trusting(developer: NewDeveloper, modules: Modules, served: SumDBServer) -> Go:
    """A developer who takes modules from the file tree and believes the database alone."""
    go = developer(modules.tree.as_uri(), {"GOSUMDB": f"{served.place.database.vkey} {served.url}"})
    go.project(main_package())
    return go


def test_the_go_command_believes_it(developer: NewDeveloper, modules: Modules, served: SumDBServer) -> None:
    """A module of a file tree is proven by the database, whose record, head and tiles are asked for."""
    trusting(developer, modules, served).run("mod", "download", WANTED).ok()
    asked = set(served.place.asked)
    assert LOOKUP in asked
    assert any(path.startswith("/tile/8/0/") for path in asked)


def test_a_growing_tree_is_one_history(
    developer: NewDeveloper, modules: Modules, served: SumDBServer
) -> None:
    """The same developer asks again after the tree has grown past a full tile."""
    database = SumDB()
    database.add_tree(modules.tree)
    served.place.database = database
    go = trusting(developer, modules, served)
    go.run("mod", "download", WANTED).ok()
    database.fill(300)
    go.run("mod", "download", f"{ERRORS}@v0.8.0").ok()


@pytest.mark.parametrize(
    "lie",
    [sumlies.extra_signature, sumlies.only_full_tiles, sumlies.slow(0.01)],
    ids=["witness", "full", "slow"],
)
def test_oddities_that_are_no_lies(
    lie: Lie, developer: NewDeveloper, modules: Modules, served: SumDBServer
) -> None:
    """What a database may do is taken by the go command."""
    served.place.lie(lie)
    trusting(developer, modules, served).run("mod", "download", WANTED).ok()


@pytest.mark.parametrize(
    "lie",
    [
        sumlies.forged_record,
        sumlies.wrong_leaf,
        sumlies.number_beyond,
        sumlies.unrelated_record,
        sumlies.huge,
        sumlies.empty,
        sumlies.login_page,
        sumlies.bad_signature,
        sumlies.unknown_key,
        sumlies.control_character,
        sumlies.missing,
        sumlies.outage,
        sumlies.forged_tile(0),
        sumlies.forged_tile(1),
        sumlies.short_tile(0),
        sumlies.short_tile(1),
        sumlies.older_tree(3),
    ],
)
def test_the_go_command_refuses_every_lie(
    lie: Lie, developer: NewDeveloper, modules: Modules, served: SumDBServer
) -> None:
    """Each lie fails the same download that goes well without it."""
    served.place.lie(lie)
    trusting(developer, modules, served).run("mod", "download", WANTED).failed()
    served.place.lie()
    trusting(developer, modules, served).run("mod", "download", WANTED).ok()


def test_the_go_command_sees_a_fork(
    developer: NewDeveloper, modules: Modules, recorded: SumDB, served: SumDBServer
) -> None:
    """Who has seen one history is not shown another; who has seen none cannot know."""
    other = recorded.fork(keep=40)
    go = trusting(developer, modules, served)
    go.run("mod", "download", f"{ERRORS}@v0.8.0").ok()
    served.place.lie(sumlies.forked_tree(other))
    assert "SECURITY ERROR" in go.run("mod", "download", WANTED).failed().stderr


def test_it_can_stand_in_the_internet(
    developer: NewDeveloper, modules: Modules, recorded: SumDB, internet: Internet
) -> None:
    """A place below a path of a host, as a proxy passes a database on."""
    place = recorded.mirror()
    mount(internet, "proxy.test/sumdb/sum.world.test", place)
    url = "https://proxy.test/sumdb/sum.world.test"
    go = developer(modules.tree.as_uri(), {**internet.env(), "GOSUMDB": f"{recorded.vkey} {url}"})
    go.project(main_package())
    go.run("mod", "download", WANTED).ok()
    assert place.asked[LOOKUP] == 1
