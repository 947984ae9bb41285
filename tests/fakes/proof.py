"""Who vouches for files, as a test tells them to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goproxy_mirror.errors import MirrorError, NotRecorded, SecurityError
from goproxy_mirror.module.dirhash import go_mod_hash
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind, Home, Lie, Pin, Proof, Record, Witness


@dataclass
class FakeVerifier:
    """Believes everything, unless `wrong` names the content, or `failing` is an error; `listed`: there is a database.

    `silent`: it cannot be asked, and that is accepted.
    """

    listed: bool = False
    wrong: set[bytes] = field(default_factory=set)
    failing: MirrorError | None = None
    asked: list[str] = field(default_factory=list)
    records: set[str] = field(default_factory=set)
    silent: bool = False

    def outside(self, path: ModulePath) -> bool:
        return not self.listed

    def distrusted(self, home: Home, path: ModulePath) -> str | None:
        return None

    async def go_mod(self, mv: ModuleVersion, body: bytes, witness: Witness | None) -> Proof:
        return self._said(f"{mv}.mod", body)

    async def zip(self, mv: ModuleVersion, file: Path, witness: Witness | None) -> Proof:
        return self._said(f"{mv}.zip", file.read_bytes())

    async def recorded(self, mv: ModuleVersion) -> bool:
        return str(mv) in self.records

    async def vouched(self, mv: ModuleVersion) -> None:
        if self.failing is not None:
            raise self.failing

    def _said(self, what: str, content: bytes) -> Proof:
        self.asked.append(what)
        if self.failing is not None:
            raise self.failing
        if content in self.wrong:
            raise SecurityError(f"{what} is not what was published")
        return Proof(go_mod_hash(content), "") if self.silent else Proof(go_mod_hash(content), "sum.test", 7)


@dataclass
class FakeProvenance:
    """`ports.Provenance` in memory; `doubted` are the files that were stored without a proof."""

    recorded: dict[str, tuple[Home, int, Proof | None]] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)
    fed: list[str] = field(default_factory=list)

    async def record(self, key: str, home: Home, *, size: int, proof: Proof | None) -> None:
        self.recorded[key] = (home, size, proof)

    async def unproven(self) -> frozenset[str]:
        return frozenset(self.doubted)

    async def proved(self, key: str, proof: Proof) -> None:
        self.doubted.discard(key)

    async def held(self, mv: ModuleVersion) -> None:
        if str(mv) not in self.fed:
            self.fed.append(str(mv))

    async def forget(self, key: str) -> None:
        self.doubted.discard(key)


@dataclass
class FakePins:
    """`ports.Pins` in memory."""

    pins: dict[tuple[str, FileKind], Pin] = field(default_factory=dict)

    async def pin(self, mv: ModuleVersion, kind: FileKind, hash_: str, home: Home) -> Pin:
        return self.pins.setdefault((str(mv), kind), Pin(hash_, home.name, time.time()))

    async def get(self, mv: ModuleVersion, kind: FileKind) -> Pin | None:
        return self.pins.get((str(mv), kind))


@dataclass
class FakeLies:
    """`ports.Lies` in memory; `failing` is raised instead."""

    told: list[Lie] = field(default_factory=list)
    failing: MirrorError | None = None

    async def record(self, lie: Lie) -> None:
        if self.failing is not None:
            raise self.failing
        self.told.append(lie)

    async def since(self, at: float) -> Sequence[Lie]:
        if self.failing is not None:
            raise self.failing
        return [lie for lie in self.told if lie.at >= at]


@dataclass
class FakeRecords:
    """`ports.Records`: what is set for `module@version`; anything else is not recorded, unless `failing`."""

    records: dict[str, Record] = field(default_factory=dict)
    failing: MirrorError | None = None
    asked: list[str] = field(default_factory=list)
    name: str = "sum.test"

    async def lookup(self, mv: ModuleVersion) -> Record:
        self.asked.append(str(mv))
        if self.failing is not None:
            raise self.failing
        if str(mv) not in self.records:
            raise NotRecorded(f"{mv}: {self.name} has no record of it")
        return self.records[str(mv)]
