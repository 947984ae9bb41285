"""The lies of a checksum database, and a few oddities that are none. See `sumdb.Place.lie`."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from dataclasses import replace

from tests.world.sumdb import TILE, Answer, Lie, Place, SumDB, forged

PIECE = 1 << 20


def forged_record(place: Place, path: str, answer: Answer) -> Answer:
    """Other hashes in a record, everything else as it was."""
    return _lookup(path, answer, lambda number, text, note: (number, forged(text), note))


def wrong_leaf(place: Place, path: str, answer: Answer) -> Answer:
    """The right record with the number of its neighbour."""
    return _lookup(path, answer, lambda number, text, note: (number ^ 1, text, note))


def number_beyond(place: Place, path: str, answer: Answer) -> Answer:
    """A number that is not in the signed tree."""
    return _lookup(path, answer, lambda number, text, note: (place.database.size + 5, text, note))


def unrelated_record(place: Place, path: str, answer: Answer) -> Answer:
    """A true record, of another version."""
    other = place.database.records

    def swap(number: int, text: bytes, note: bytes) -> tuple[int, bytes, bytes]:
        another = (number + 1) % len(other)
        return another, other[another], note

    return _lookup(path, answer, swap)


def empty(place: Place, path: str, answer: Answer) -> Answer:
    """Status 200 and nothing else, wherever a record is asked for."""
    return Answer(200, b"") if path.startswith("/lookup/") else answer


def login_page(place: Place, path: str, answer: Answer) -> Answer:
    """Status 200 and a page for people."""
    return Answer(200, b"<html><body>Please log in</body></html>\n")


def bad_signature(place: Place, path: str, answer: Answer) -> Answer:
    """One bit of the signature is wrong."""

    def spoil(note: bytes) -> bytes:
        before, _, packed = note[:-1].rpartition(b" ")
        raw = base64.b64decode(packed)
        return before + b" " + base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])) + b"\n"

    return _head(path, answer, spoil)


def unknown_key(place: Place, path: str, answer: Answer) -> Answer:
    """A good signature, by somebody else of the same name."""
    other = SumDB(place.database.name, seed=b"somebody else")
    return _head(path, answer, lambda note: other.sign(note.decode().partition("\n\n")[0] + "\n"))


def extra_signature(place: Place, path: str, answer: Answer) -> Answer:
    """No lie: somebody else has signed as well."""
    other = SumDB("witness.test", seed=b"a witness")
    return _head(path, answer, lambda note: note + other.signature(note.decode().partition("\n\n")[0] + "\n"))


def control_character(place: Place, path: str, answer: Answer) -> Answer:
    """A signed note with a carriage return in it."""

    def spoil(note: bytes) -> bytes:
        return place.database.sign(note.decode().partition("\n\n")[0] + "\nmore\r\n")

    return _head(path, answer, spoil)


def missing(place: Place, path: str, answer: Answer) -> Answer:
    """404 for everything."""
    return Answer(404, b"not found: no such page\n")


def outage(place: Place, path: str, answer: Answer) -> Answer:
    """503 for everything."""
    return Answer(503, b"the database is down\n")


def huge(place: Place, path: str, answer: Answer) -> Answer:
    """A note without end: 1 GiB over HTTP."""
    start = answer.body.partition(b"\n\n")[0] + b"\n"
    return Answer(200, start + b"x" * (PIECE - len(start)), times=1024) if _has_head(path) else answer


def slow(seconds: float) -> Lie:
    """Each answer takes that long."""

    def lie(place: Place, path: str, answer: Answer) -> Answer:
        threading.Event().wait(seconds)
        return answer

    return lie


def held(until: threading.Event) -> Lie:
    """No answer before the event has come."""

    def lie(place: Place, path: str, answer: Answer) -> Answer:
        until.wait()
        return answer

    return lie


def forged_tile(level: int | str = 0, index: int | None = None) -> Lie:
    """One bit is wrong in each tile of that level, or in the one tile of that level with that index."""
    return _of_tiles(level, index, lambda body: body[:-1] + bytes([body[-1] ^ 1]))


def short_tile(level: int | str = 0, index: int | None = None) -> Lie:
    """Each tile of that level lacks its last hash."""
    return _of_tiles(level, index, lambda body: body[:-32])


def older_tree(size: int) -> Lie:
    """The signed head of an earlier time, with every answer that has one."""
    return lambda place, path, answer: _head(path, answer, lambda note: place.database.head(size))


def forked_tree(other: SumDB) -> Lie:
    """Everything is as in another history by the same signer (`SumDB.fork`)."""
    return lambda place, path, answer: other.honest(path)


def only_full_tiles(place: Place, path: str, answer: Answer) -> Answer:
    """No lie: partial tiles are gone once a full one has taken their place, as real databases do it."""
    match = TILE.fullmatch(path)
    if match is not None and match[3] and place.database.honest(path.partition(".p/")[0]).status == 200:
        return Answer(404, b"not found: the tile is complete\n")
    return answer


def on(where: str, lie: Lie) -> Lie:
    """The lie, on paths in which the regular expression is found alone."""
    return lambda place, path, answer: lie(place, path, answer) if re.search(where, path) else answer


def _lookup(
    path: str, answer: Answer, change: Callable[[int, bytes, bytes], tuple[int, bytes, bytes]]
) -> Answer:
    if not path.startswith("/lookup/") or answer.status != 200:
        return answer
    record, _, note = answer.body.partition(b"\n\n")
    number, _, text = record.partition(b"\n")
    return replace(answer, body=b"%d\n%b\n%b" % change(int(number), text + b"\n", note))


def _head(path: str, answer: Answer, change: Callable[[bytes], bytes]) -> Answer:
    if path == "/latest":
        return replace(answer, body=change(answer.body))
    return _lookup(path, answer, lambda number, text, note: (number, text, change(note)))


def _has_head(path: str) -> bool:
    return path == "/latest" or path.startswith("/lookup/")


def _of_tiles(level: int | str, index: int | None, change: Callable[[bytes], bytes]) -> Lie:
    def lie(place: Place, path: str, answer: Answer) -> Answer:
        match = TILE.fullmatch(path)
        if match is None or match[1] != str(level) or answer.status != 200:
            return answer
        if index is not None and int(match[2].replace("/", "").replace("x", "")) != index:
            return answer
        return replace(answer, body=change(answer.body))

    return lie
