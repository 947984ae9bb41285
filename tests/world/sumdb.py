"""A checksum database of the tests' own: real signatures, a real tree, and places that can lie (`sumlies.py`).

The tree is kept in the simplest manner there is and shares no code with what is tested. `SumDB` is the database;
`mirror` makes other places that answer for it, each with lies of its own. Any of them can be asked directly
(`handle`), over HTTP on this machine (`SumDBServer`), or in the tests' Internet (`mount`).
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from goproxy_mirror.module.dirhash import go_mod_hash, hash_zip
from goproxy_mirror.module.path import escape, unescape
from tests.world.internet import Internet
from tests.world.local_http import Exchange, LocalServer

TILE = re.compile(r"/tile/8/(data|\d+)/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?")


@dataclass(frozen=True)
class Answer:
    """A status and a body; over HTTP the body is sent `times` times."""

    status: int
    body: bytes
    times: int = 1


Lie = Callable[["Place", str, Answer], Answer]
"""Makes another answer of the honest one to a path (`/lookup/…`, `/tile/…`, `/latest`, `/supported`)."""


class Place:
    """Somewhere a database can be asked: honest until it lies. `asked` counts the paths."""

    def __init__(self, database: SumDB, lies: Iterable[Lie] = ()) -> None:
        self.database = database
        self.lies = list(lies)
        self.asked: Counter[str] = Counter()

    def lie(self, *lies: Lie) -> None:
        """Lie from now on, in this order and in no other manner; honest again without any."""
        self.lies = list(lies)

    def answer(self, path: str) -> Answer:
        """What is said to a GET request of the path, which begins with a slash."""
        self.asked[path] += 1
        with self.database.unchanged():
            answer = self.database.honest(path)
        for lie in self.lies:
            answer = lie(self, path, answer)
        return answer

    def handle(self, path: str) -> tuple[int, bytes]:
        """The same as a status and a body (one time, whatever HTTP would send)."""
        answer = self.answer(path)
        return answer.status, answer.body


class SumDB(Place):
    """A checksum database. `vkey` is what GOSUMDB needs; `size` is its number of records.

    The same name and seed make the same key, so two of them are two histories by one signer.
    """

    def __init__(
        self,
        name: str = "sum.world.test",
        *,
        seed: bytes = b"a seed of the tests",
        private_key: bytes | None = None,
    ) -> None:
        super().__init__(self)
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(private_key or hashlib.sha256(seed).digest())
        public = b"\x01" + self._key.public_key().public_bytes_raw()
        self.key_hash = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        self.vkey = f"{name}+{self.key_hash.hex()}+{base64.b64encode(public).decode()}"
        self.records: list[bytes] = []
        self._ids: dict[str, int] = {}
        self._levels: list[list[bytes]] = []
        self._lock = threading.RLock()

    @property
    def size(self) -> int:
        """The number of records."""
        return len(self.records)

    # Writing.

    def add(self, path: str, version: str, zip_hash: str = "", go_mod: str = "") -> int:
        """Append the record of a version, unless it has one; its number. Hashes are made up where none are given."""
        zip_hash = zip_hash or made_up(f"{path}@{version}")
        go_mod = go_mod or made_up(f"{path}@{version}/go.mod")
        text = f"{path} {version} {zip_hash}\n{path} {version}/go.mod {go_mod}\n"
        return self.append(f"{path}@{version}", text.encode())

    def append(self, name: str, text: bytes) -> int:
        """Append any record under the name `path@version`, unless it has one; its number."""
        with self._lock:
            if name not in self._ids:
                self._ids[name] = len(self.records)
                self.records.append(text)
                self._grow(leaf(text))
            return self._ids[name]

    def fill(self, count: int, path: str = "filler.test/m") -> None:
        """Append that many more records, which mean nothing."""
        for _ in range(count):
            self.add(path, f"v0.0.{self.size}")

    def add_tree(self, folder: Path) -> None:
        """Append a record for each version with a `.mod` and a `.zip` in a GOPROXY file tree, in the paths' order."""
        for zip_file in sorted(folder.rglob("@v/*.zip")):
            go_mod = zip_file.with_suffix(".mod")
            if go_mod.is_file():
                path = unescape(str(zip_file.parent.parent.relative_to(folder)))
                version = unescape(zip_file.name.removesuffix(".zip"))
                self.add(path, version, hash_zip(zip_file), go_mod_hash(go_mod.read_bytes()))

    def fork(self, keep: int) -> SumDB:
        """A database by the same signer that has the same first `keep` records, and then others of the same names."""
        other = SumDB(self.name)
        other._key, other.key_hash, other.vkey = self._key, self.key_hash, self.vkey
        for name, number in sorted(self._ids.items(), key=lambda item: item[1]):
            text = self.records[number]
            other.append(name, text if number < keep else forged(text))
        return other

    def _grow(self, node: bytes) -> None:
        level = 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node)
            if len(self._levels[level]) % 2:
                return
            node = inner(*self._levels[level][-2:])
            level += 1

    # Answering.

    def unchanged(self) -> AbstractContextManager[object]:
        """A block in which nothing is appended by another thread."""
        return self._lock

    def root(self, size: int) -> bytes:
        """The hash of the tree of the first `size` records."""
        if size == 0:
            return hashlib.sha256().digest()
        found: bytes | None = None
        for level in range(size.bit_length()):
            if size >> level & 1:
                node = self._levels[level][(size >> level) - 1]
                found = node if found is None else inner(node, found)
        assert found is not None
        return found

    def head(self, size: int | None = None) -> bytes:
        """The signed tree head of the first `size` records, by default of all."""
        size = self.size if size is None else size
        return self.sign(f"go.sum database tree\n{size}\n{base64.b64encode(self.root(size)).decode()}\n")

    def sign(self, text: str) -> bytes:
        """A note of that text."""
        return f"{text}\n".encode() + self.signature(text)

    def signature(self, text: str) -> bytes:
        """The signature line of that text."""
        packed = base64.b64encode(self.key_hash + self._key.sign(text.encode())).decode()
        return f"— {self.name} {packed}\n".encode()

    def honest(self, path: str) -> Answer:
        """The true answer."""
        if path == "/supported":
            return Answer(200, b"")
        if path == "/latest":
            return Answer(200, self.head())
        if path.startswith("/lookup/"):
            number = self._ids.get(unescape(path.removeprefix("/lookup/")))
            if number is None:
                return Answer(404, f"not found: {path}: unknown revision\n".encode())
            return Answer(200, b"%d\n%b\n%b" % (number, self.records[number], self.head()))
        match = TILE.fullmatch(path)
        if match is None:
            return Answer(404, b"not found: no such page\n")
        level, index, width = match.groups()
        body = self._tile(level, int(index.replace("/", "").replace("x", "")), int(width or 256))
        return Answer(404, b"not found: no such tile\n") if body is None else Answer(200, body)

    def _tile(self, level: str, index: int, width: int) -> bytes | None:
        rows: Sequence[bytes]
        if level == "data":
            rows = [text + b"\n" for text in self.records]
        else:
            rows = self._levels[8 * int(level)] if 8 * int(level) < len(self._levels) else []
        part = rows[256 * index : 256 * index + width]
        return b"".join(part) if len(part) == width else None

    def mirror(self, *lies: Lie) -> Place:
        """Another place that answers for this database, and lies in its own way."""
        return Place(self, lies)


def leaf(text: bytes) -> bytes:
    """The hash of a record."""
    return hashlib.sha256(b"\x00" + text).digest()


def inner(left: bytes, right: bytes) -> bytes:
    """The hash of two nodes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def made_up(text: str) -> str:
    """A hash of the right form."""
    return "h1:" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def lookup_path(path: str, version: str) -> str:
    """Where a version's record is asked for."""
    return f"/lookup/{escape(path)}@{escape(version)}"


def forged(text: bytes) -> bytes:
    """The same record with other hashes."""
    return re.sub(rb" h1:(.)", lambda match: b" h1:B" if match[1] == b"A" else b" h1:A", text)


# Over HTTP.


def answering(place: Place, below: str = "") -> Callable[[Exchange], None]:
    """What answers HTTP requests for a place whose root is at the path `below`."""

    def answer(exchange: Exchange) -> None:
        said = place.answer(exchange.path.removeprefix(below))
        try:
            exchange.reply(said.status, said.body, length=len(said.body) * said.times)
            for _ in range(said.times - 1):
                exchange.write(said.body)
        except OSError:
            exchange.cut()  # the client has had enough

    return answer


class SumDBServer(LocalServer):
    """A place on a free port of this machine."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._answer = answering(place)
        super().__init__()

    def handle(self, exchange: Exchange) -> None:
        self._answer(exchange)


def mount(internet: Internet, name: str, place: Place) -> None:
    """Serve a place at `https://NAME`; NAME may have a path, as `proxy.test/sumdb/sum.world.test`."""
    host, slash, path = name.partition("/")
    internet.answer(f"{host}{slash}{path}", answering(place, slash + path))
