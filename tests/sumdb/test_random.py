"""Any order of questions, growth, lies, outages and restarts: what is believed is true, and nothing true is called a fork."""

from __future__ import annotations

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from goproxy_mirror.errors import SecurityError, Unproven
from tests.fakes.sumdb import FakeOps, client_of, mv_of
from tests.world import sumlies
from tests.world.sumdb import TILE, Answer, Lie, Place, SumDB

LIES: dict[str, Lie] = {
    "none": lambda place, path, answer: answer,
    "outage": sumlies.outage,
    "missing": sumlies.on("/tile/", sumlies.missing),
    "full": sumlies.only_full_tiles,
    "bad signature": sumlies.bad_signature,
    "unknown key": sumlies.unknown_key,
    "forged record": sumlies.forged_record,
    "wrong leaf": sumlies.wrong_leaf,
    "unrelated": sumlies.unrelated_record,
    "empty": sumlies.empty,
    "extra signature": sumlies.extra_signature,
}

places_lie = st.one_of(
    st.sampled_from(sorted(LIES)),
    st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 8191)),
    st.integers(1, 1500),
)


def lie_of(said: object) -> Lie:
    """A lie by its name; a forged byte of one tile by level, index and offset; an older tree by its size."""
    if isinstance(said, str):
        return LIES[said]
    if isinstance(said, int):
        return lambda place, path, answer: sumlies.older_tree(min(said, place.database.size))(
            place, path, answer
        )
    assert isinstance(said, tuple)
    level, index, offset = said

    def lie(place: Place, path: str, answer: Answer) -> Answer:
        match = TILE.fullmatch(path)
        if answer.status != 200 or match is None or match[1] != str(level):
            return answer
        if int(re.sub(r"\D", "", match[2])) != index or not answer.body:
            return answer
        spot = offset % len(answer.body)
        return Answer(200, answer.body[:spot] + bytes([answer.body[spot] ^ 1]) + answer.body[spot + 1 :])

    return lie


@settings(max_examples=80, deadline=None)
@given(
    start=st.integers(1, 700),
    steps=st.lists(
        st.tuples(
            st.integers(0, 300),
            st.lists(st.integers(0, 1500), min_size=1, max_size=4),
            places_lie,
            places_lie,
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
    third=st.booleans(),
)
def test_nothing_false_is_believed(
    start: int, steps: list[tuple[int, list[int], object, object, bool, bool]], third: bool
) -> None:
    """Two places lie as they like; with a third one that does not, every question is answered, and rightly."""

    async def run() -> None:
        database = SumDB()
        database.fill(start)
        one, other, honest = database.mirror(), database.mirror(), database.mirror()
        ops = FakeOps([one, other, honest] if third else [one, other])
        client = client_of(ops, database)
        newest = 0
        for growth, numbers, first, second, restart, damage in steps:
            database.fill(growth)
            one.lie(lie_of(first))
            other.lie(lie_of(second))
            if restart:
                client = client_of(ops, database)
            if damage:
                for path in sorted(ops.shared.kept)[::3]:
                    ops.shared.kept[path] = ops.shared.kept[path][:-1] + b"?"
            wanted = [number % database.size for number in numbers]
            outcomes = await asyncio.gather(
                *(client.lookup(mv_of(f"filler.test/m@v0.0.{number}")) for number in wanted),
                return_exceptions=True,
            )
            for number, outcome in zip(wanted, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    assert isinstance(outcome, (SecurityError, Unproven)), outcome
                    assert not third or first == "missing", outcome  # the database's own no counts
                    continue
                text = database.records[number].decode().split()
                assert (outcome.number, outcome.zip, outcome.go_mod) == (number, text[2], text[5])
            assert ops.shared.evidence is None
            size = int(ops.shared.head.split(b"\n")[1]) if ops.shared.head else 0
            assert ops.shared.head.startswith(database.head(size).partition(b"\n\n")[0] if size else b"")
            assert size >= newest
            newest = size
            one.lie()
            other.lie()
            for number in wanted:
                assert (await client.lookup(mv_of(f"filler.test/m@v0.0.{number}"))).number == number

    asyncio.run(run())
