"""Pins and lies in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

from goproxy_mirror.module.version import ModuleVersion
from goproxy_mirror.ports import FileKind, Home, Lie, Pin


class MemoryPins:
    """`ports.Pins`."""

    def __init__(self) -> None:
        self._pins: dict[tuple[ModuleVersion, FileKind], Pin] = {}

    async def pin(self, mv: ModuleVersion, kind: FileKind, hash_: str, home: Home) -> Pin:
        return self._pins.setdefault((mv, kind), Pin(hash_, home.name, time.time()))

    async def get(self, mv: ModuleVersion, kind: FileKind) -> Pin | None:
        return self._pins.get((mv, kind))


class MemoryLies:
    """`ports.Lies`."""

    def __init__(self) -> None:
        self._lies: list[Lie] = []

    async def record(self, lie: Lie) -> None:
        self._lies.append(lie)

    async def since(self, at: float) -> Sequence[Lie]:
        return [lie for lie in self._lies if lie.at >= at]
