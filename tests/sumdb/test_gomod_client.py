"""The steps of golang.org/x/mod's own client tests, with its records, its key and its trees."""

from __future__ import annotations

import base64

import pytest

from goproxy_mirror.errors import SecurityError
from goproxy_mirror.sumdb.history import Forked
from tests.fakes.sumdb import FakeOps, client_of, mv_of
from tests.sumdb import gomod_tables as tables
from tests.world import sumlies
from tests.world.sumdb import Answer, Place, SumDB

SAMPLER = mv_of("rsc.io/sampler@v1.3.0")
QUOTE = mv_of("rsc.io/quote@v1.5.2")
BIG_QUOTE = mv_of("rsc.io/Quote@v1.5.2")


def database(records: int = 4) -> SumDB:
    """The first records of the tests' database."""
    found = SumDB(
        tables.CLIENT_KEY.partition("+")[0], private_key=base64.b64decode(tables.CLIENT_PRIVATE_KEY)
    )
    assert found.vkey == tables.CLIENT_KEY
    for name, text in list(tables.CLIENT_RECORDS.items())[:records]:
        found.append(name, text.encode())
    return found


def started(source: SumDB) -> FakeOps:
    """A world that has seen the tree of one record."""
    ops = FakeOps([source])
    ops.shared.head = source.head(1)
    return ops


async def test_lookups() -> None:
    """Records are found and kept, the head follows, capital letters are escaped, and other hashes are passed over."""
    source = database(3)
    ops = started(source)
    client = client_of(ops)
    record = await client.lookup(SAMPLER)
    assert record.zip == "h1:7uVkIFmeBqHfdjD+gZwtXXI+RODJ2Wc4O7MPEh/QiW4="
    assert record.go_mod == "h1:T1hPZKmBbMNahiBKFy5HrXp6adAjACjK9JXDnKaTXpA="
    assert ops.shared.head == source.head(3)
    source.lie(sumlies.outage)
    assert await client_of(FakeOps([source], ops.shared)).lookup(SAMPLER) == record
    source.lie(sumlies.on("/tile/", sumlies.outage))  # what is kept is enough
    assert (await client.lookup(QUOTE)).zip == "h1:w5fcysjrx7yqtD/aO+QwRjYZOKnaM9Uh2b40tElTs3Y="
    assert ops.shared.head == source.head(3)
    source.lie()
    source.append("rsc.io/Quote@v1.5.2", tables.CLIENT_RECORDS["rsc.io/Quote@v1.5.2"].encode())
    assert (await client.lookup(BIG_QUOTE)).zip == "h1:uppercase!="
    assert ops.shared.head == source.head(4)
    assert ops.asked["lookup/rsc.io/!quote@v1.5.2"] == 1


def flipped(place: Place, path: str, answer: Answer) -> Answer:
    """Each byte of a tile has one bit wrong."""
    return Answer(200, bytes(byte ^ 0x80 for byte in answer.body)) if path.startswith("/tile/") else answer


async def test_bad_tiles() -> None:
    """At the start and later; with good ones all is well again."""
    source = database(3)
    ops = started(source)
    client = client_of(ops)
    source.lie(flipped)
    with pytest.raises(SecurityError, match="does not belong to the signed tree of 3 records"):
        await client.lookup(SAMPLER)
    source.lie()
    await client.lookup(SAMPLER)
    source.append("rsc.io/Quote@v1.5.2", tables.CLIENT_RECORDS["rsc.io/Quote@v1.5.2"].encode())
    source.lie(flipped)
    with pytest.raises(SecurityError, match="does not belong to the signed tree of 4 records"):
        await client.lookup(BIG_QUOTE)
    source.lie()
    assert (await client.lookup(BIG_QUOTE)).zip == "h1:uppercase!="


async def test_a_start_with_another_root() -> None:
    """A head that the key has signed with an impossible root contradicts everything that comes after it."""
    source = database()
    ops = FakeOps([source])
    ops.shared.head = source.sign(f"go.sum database tree\n1\n{base64.b64encode(bytes(32)).decode()}\n")
    with pytest.raises(Forked):
        await client_of(ops).lookup(SAMPLER)


async def test_a_fork() -> None:
    """Two histories of 5 and 6 records, with the roots, signatures and hash of the proof that are known."""
    one, other = database(), database()
    first, second, third = tables.FORK_RECORDS
    for source, names in ((one, (first,)), (other, (second, third))):
        for name in names:
            source.append(name, f"{name.replace('@', ' ')} h1:hash!=\n".encode())
    assert base64.b64encode(one.root(5)).decode() == tables.FORK_ROOTS[0]
    assert base64.b64encode(other.root(6)).decode() == tables.FORK_ROOTS[1]
    ops = started(other)
    client = client_of(ops)
    assert (await client.lookup(mv_of(third))).zip == "h1:hash!="

    def answer_of_the_one(place: Place, path: str, answer: Answer) -> Answer:
        return one.honest(path) if first in path else answer

    other.lie(answer_of_the_one)
    with pytest.raises(Forked):
        await client.lookup(mv_of(first))
    evidence = (ops.shared.evidence or b"").decode()
    for each in (*tables.FORK_ROOTS, *tables.FORK_SIGNATURES, tables.FORK_PROOF):
        assert each in evidence


async def test_lines_behind_the_tree_are_no_record() -> None:
    """CVE-2026-42501: a true record of another module, and in the signed note lines that look like the wanted one."""
    source = database()
    good = b"golang.org/x/good v1.0.0 h1:7uVkIFmeBqHfdjD+gZwtXXI+RODJ2Wc4O7MPEh/QiW4=\n"
    number = source.append("golang.org/x/good@v1.0.0", good)
    tree = source.head().decode().partition("\n\n")[0]
    note = source.sign(f"{tree}\ngolang.org/x/bad v1.0.0 h1:7uVkIFmeBqHfdjD+gZwtXXI+RODJ2Wc4O7MPEh/QiW4=\n")

    def lie(place: Place, path: str, answer: Answer) -> Answer:
        return Answer(200, b"%d\n%b\n%b" % (number, good, note)) if "/bad@" in path else answer

    source.lie(lie)
    ops = started(source)
    with pytest.raises(SecurityError, match="record 4 says nothing of it"):
        await client_of(ops).lookup(mv_of("golang.org/x/bad@v1.0.0"))
    assert (await client_of(ops).lookup(mv_of("golang.org/x/good@v1.0.0"))).number == 4
