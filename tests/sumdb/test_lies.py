"""Whatever a place says wrongly is refused, and costs nothing but time where another place says it rightly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from goproxy_mirror.errors import NotRecorded, SecurityError, Unproven
from goproxy_mirror.ports import Record
from tests.fakes.sumdb import FakeOps, client_of, home_of, mv_of
from tests.world import sumlies
from tests.world.sumdb import Answer, Lie, Place, SumDB

WANTED = mv_of("example.com/Wanted@v1.2.0")
SIZE = 66_100


@pytest.fixture(scope="module")
def database() -> SumDB:
    """A tree with full tiles on two levels and an edge on three; the wanted record is in a full tile whose parent is full."""
    database = SumDB()
    database.fill(300)
    database.add(str(WANTED.path), str(WANTED.version))
    database.fill(SIZE - database.size)
    return database


@pytest.fixture
def place(database: SumDB) -> Place:
    """A place of it that can lie without the others knowing."""
    return database.mirror()


@dataclass(frozen=True)
class Case:
    """A lie, and what is said of it where nobody tells the truth."""

    lie: Lie
    said: type[Exception] = SecurityError

    def __str__(self) -> str:
        return self.lie.__name__


def rewritten(old: bytes, new: bytes) -> Lie:
    """Text of the record is another."""

    def lie(place: Place, path: str, answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(old, new)) if path.startswith("/lookup/") else answer

    return lie


def raised_number(place: Place, path: str, answer: Answer) -> Answer:
    """The signed tree claims more records than were signed."""
    return replace(answer, body=answer.body.replace(b"\n%d\n" % SIZE, b"\n%d\n" % (SIZE + 1)))


def other_root(place: Place, path: str, answer: Answer) -> Answer:
    """The signed tree claims another root than was signed."""
    head, tree, rest = answer.body.partition(b"go.sum database tree\n")
    number, newline, rest = rest.partition(b"\n")
    return replace(
        answer, body=head + tree + number + newline + (b"A" if rest[:1] != b"A" else b"B") + rest[1:]
    )


def no_signature(place: Place, path: str, answer: Answer) -> Answer:
    """The tree, and no signature."""
    return (
        replace(answer, body=answer.body.rpartition(b"\n\n")[0] + b"\n\n")
        if path.startswith("/lookup/")
        else answer
    )


def own_signature_again(place: Place, path: str, answer: Answer) -> Answer:
    """A good signature, and a second one of the same key that is rubbish, 100 times over."""
    line = answer.body.rpartition(b"\n\n")[2]
    return replace(answer, body=answer.body + line * 100) if path.startswith("/lookup/") else answer


def swapped_tiles(place: Place, path: str, answer: Answer) -> Answer:
    """A true tile in the place of its neighbour."""
    return place.database.honest("/tile/8/0/002") if path == "/tile/8/0/001" else answer


def zero_tile(place: Place, path: str, answer: Answer) -> Answer:
    """A tile of zeros, of the right length."""
    return replace(answer, body=bytes(len(answer.body))) if path.startswith("/tile/8/0/001") else answer


def consistent_forgery(place: Place, path: str, answer: Answer) -> Answer:
    """A whole database of the forger's own, each tile of which fits the next; only the signed root is not theirs."""
    if path.startswith("/tile/"):
        return forger(place.database).honest(path)
    if path.startswith("/lookup/"):
        theirs = forger(place.database).honest(path).body.partition(b"\n\n")[0]
        return replace(answer, body=theirs + b"\n\n" + answer.body.partition(b"\n\n")[2])
    return answer


FORGERS: dict[int, SumDB] = {}


def forger(database: SumDB) -> SumDB:
    """The forger's database, which takes a moment to make."""
    if id(database) not in FORGERS:
        FORGERS[id(database)] = database.fork(keep=0)
    return FORGERS[id(database)]


def named(name: str, lie: Lie) -> Lie:
    """The lie under a name for the test's report."""

    def same(place: Place, path: str, answer: Answer) -> Answer:
        return lie(place, path, answer)

    same.__name__ = name
    return same


CASES = [
    Case(sumlies.bad_signature),
    Case(sumlies.unknown_key),
    Case(sumlies.empty, Unproven),
    Case(sumlies.login_page, Unproven),
    Case(sumlies.control_character, Unproven),
    Case(sumlies.huge, Unproven),
    Case(sumlies.unrelated_record),
    Case(sumlies.forged_record),
    Case(sumlies.wrong_leaf),
    Case(sumlies.number_beyond),
    Case(no_signature, Unproven),
    Case(own_signature_again, Unproven),
    Case(raised_number),
    Case(other_root),
    Case(swapped_tiles),
    Case(zero_tile),
    Case(consistent_forgery),
    Case(named("record_without_the_version", rewritten(b"v1.2.0", b"v1.2.1"))),
    Case(
        named("record_with_one_line_more", rewritten(b"\n\n", b"\nexample.com/Wanted v1.2.0 h1:other=\n\n"))
    ),
    Case(named("record_with_no_line", rewritten(b"example.com/Wanted", b"example.com/other")), SecurityError),
    Case(named("negative_number", rewritten(b"300\n", b"-300\n")), Unproven),
    Case(named("number_of_another_spelling", rewritten(b"300\n", b"0300\n")), Unproven),
    Case(named("endless_number", rewritten(b"300\n", b"9" * 5000 + b"\n")), Unproven),
    Case(named("forged_tile_of_the_record", sumlies.forged_tile(0, 1))),
    Case(named("forged_parent", sumlies.forged_tile(1, 0))),
    Case(named("forged_edge_0", sumlies.forged_tile(0, SIZE >> 8))),
    Case(named("forged_edge_1", sumlies.forged_tile(1, SIZE >> 16))),
    Case(named("forged_edge_2", sumlies.forged_tile(2, 0))),
    Case(named("short_tile_of_the_record", sumlies.short_tile(0, 1)), Unproven),
    Case(named("short_edge", sumlies.short_tile(1, SIZE >> 16)), Unproven),
    Case(named("older_tree_than_the_record", sumlies.older_tree(200))),
    Case(named("tiles_missing", sumlies.on("/tile/", sumlies.missing)), Unproven),
    Case(named("tiles_down", sumlies.on("/tile/", sumlies.outage)), Unproven),
    Case(sumlies.outage, Unproven),
    Case(sumlies.missing, NotRecorded),
]


@pytest.fixture
def truth(database: SumDB) -> Record:
    """What an honest database says."""
    text = database.records[300].decode().split()
    return Record(number=300, zip=text[2], go_mod=text[5], tree=SIZE)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_lie_alone_is_refused(case: Case, place: Place, truth: Record) -> None:
    """Nothing is believed and no record is kept; the same question is answered once the place is honest."""
    place.lie(case.lie)
    ops = FakeOps([place])
    with pytest.raises(case.said) as failure:
        await client_of(ops, place.database).lookup(WANTED)
    assert type(failure.value) is case.said
    assert "sum.world.test" in str(failure.value)
    assert not [path for path in ops.shared.kept if path.startswith("lookup/")]
    for path, body in ops.shared.kept.items():
        assert body == place.database.honest("/" + path).body, path
    place.lie()
    assert await client_of(ops, place.database).lookup(WANTED) == truth


@pytest.mark.parametrize("case", [case for case in CASES if case.lie is not sumlies.missing], ids=str)
async def test_a_lie_costs_nothing_but_time(case: Case, place: Place, truth: Record) -> None:
    """S01 to S09, S15: the next place is asked, whichever of the two lies; no alarm is raised."""
    honest = place.database.mirror()
    place.lie(case.lie)
    for places in ([place, honest], [honest, place]):
        ops = FakeOps(places)
        if case.lie.__name__ == "tiles_missing" and places[0] is place:
            continue  # the database's own no about its tiles counts
        assert await client_of(ops, place.database).lookup(WANTED) == truth
        assert ops.shared.evidence is None


async def test_records_of_a_tile_are_held_against_their_hashes(place: Place) -> None:
    """One letter of one record in a tile of records."""

    def lie(place: Place, path: str, answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(b"v0.0.301/go.mod", b"v0.0.302/go.mod"))

    place.lie(sumlies.on("/tile/8/data/", lie))
    with pytest.raises(SecurityError, match="a record in it is not the one of the signed tree"):
        await client_of(FakeOps([place]), place.database).tile("tile/8/data/001")
    body = await client_of(FakeOps([place, place.database.mirror()]), place.database).tile("tile/8/data/001")
    assert body == place.database.honest("/tile/8/data/001").body


async def test_two_liars_about_different_things(place: Place, truth: Record) -> None:
    """Each of two places forges another tile at the edge; together they have the whole truth."""
    place.lie(sumlies.forged_tile(0, SIZE >> 8))
    other = place.database.mirror(sumlies.forged_tile(2, 0))
    assert await client_of(FakeOps([place, other]), place.database).lookup(WANTED) == truth


async def test_what_the_refusal_says(place: Place) -> None:
    """It names the database, the place, what was asked and why it is not believed."""
    place.lie(sumlies.forged_record)
    with pytest.raises(SecurityError) as failure:
        await client_of(FakeOps([place]), place.database).lookup(WANTED)
    assert failure.value.message == (
        "lookup/example.com/!wanted@v1.2.0 of the checksum database sum.world.test: the answer of https://place0.test is forged: "
        "record 300 of the signed tree is another one"
    )
    assert failure.value.source == home_of(0).name
    place.lie(sumlies.forged_tile(0, 1))
    with pytest.raises(SecurityError, match=r"tile/8/0/001 as https://place0\.test had it does not belong"):
        await client_of(FakeOps([place]), place.database).lookup(WANTED)
    place.lie(sumlies.login_page)
    with pytest.raises(Unproven, match=r"https://place0\.test answered with what is none: it is no record"):
        await client_of(FakeOps([place]), place.database).lookup(WANTED)


async def test_an_extra_signature_is_ignored(place: Place, truth: Record) -> None:
    """S16: a note that somebody else has signed as well says the same."""
    place.lie(sumlies.extra_signature)
    assert await client_of(FakeOps([place]), place.database).lookup(WANTED) == truth


@pytest.mark.parametrize(
    "path", ["tile/8/0/001", "tile/8/data/001", "tile/8/1/000", "tile/8/0/258.p/50", "latest"]
)
@pytest.mark.parametrize(
    "change",
    [sumlies.bad_signature, sumlies.forged_tile(0), sumlies.forged_tile(1), sumlies.forged_tile("data")],
)
async def test_what_we_answer_is_proven(path: str, change: Lie, place: Place) -> None:
    """What a client of ours asks for is never passed on unproven: it is the truth or a refusal."""
    place.lie(change)
    client = client_of(FakeOps([place]), place.database)
    try:
        body = await (client.latest() if path == "latest" else client.tile(path))
    except (SecurityError, Unproven):
        body = None
    assert body in {None, place.database.honest("/" + path).body}
    honest = client_of(FakeOps([place, place.database.mirror()]), place.database)
    assert (
        await (honest.latest() if path == "latest" else honest.tile(path))
        == place.database.honest("/" + path).body
    )
