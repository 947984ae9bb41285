"""Publications that are cut short at every step, and what a disk may have kept of them.

Run as a program it publishes one version in a folder, over and over: the n-th time it kills itself at the n-th call that changes
a disk, in the middle of it where that is a write. It forks before it starts any thread, so a run costs milliseconds.

`record` tells every such call in order instead, and `violations` what could be lost or torn if the power went at any of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goproxy_mirror.errors import disk_failures
from goproxy_mirror.mirror.catalog import Catalog
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.state.files import FileTurns
from goproxy_mirror.storage.local import LocalStorage

MODULE = "example.com/deep/module"
FILES = {
    f"{MODULE}/@v/v1.0.0.mod": b"module example.com/deep/module\n" * 40,
    f"{MODULE}/@v/v1.0.0.zip": b"PK" * 5000,
    f"{MODULE}/@v/v1.0.0.info": b'{"Version":"v1.0.0"}' * 20,
}
LIST = f"{MODULE}/@v/list"
TOGETHER = {
    f"example.com/{module}/@v/v1.0.{patch}.mod": f"module example.com/{module}\n".encode() * 40
    for module in ("a", "b/deep")
    for patch in range(2)
}
_CALLS = ("open", "write", "fsync", "link", "replace", "rename", "mkdir", "unlink", "rmdir")
_CREATES = os.O_CREAT


@dataclass(frozen=True)
class Op:
    """A call that changes a disk, with its paths; `told`: whoever published the path was told that it is done."""

    name: str
    path: str
    other: str = ""


async def publish(store: Path, told: Callable[[str], None]) -> None:
    """One version, the way of a fetch: its `.mod`, its zip, its `.info`, the list."""
    storage = LocalStorage(store)
    await asyncio.to_thread(storage.open)
    for key, body in FILES.items():
        if await storage.find(key) is not None:
            continue
        if key.endswith(".zip"):
            async with storage.stage() as staged:
                with disk_failures("write the file"):
                    await asyncio.to_thread(_write, staged, body)
                await storage.create(key, staged)
        else:
            await storage.publish(key, body)
        told(key)
    path = ModulePath(MODULE)
    catalog = Catalog(storage, FileTurns(store.parent / "turns", wait=5))
    catalog.changed(path)
    await catalog.derive(path)


async def publish_together(store: Path, told: Callable[[str], None]) -> None:
    """Small files of two modules in one batch, where they share folders and syncs."""
    storage = LocalStorage(store)
    await asyncio.to_thread(storage.open)

    async def one(key: str, body: bytes) -> None:
        await storage.publish(key, body)
        told(key)

    await asyncio.gather(*(one(key, body) for key, body in TOGETHER.items()))


async def publish_again(store: Path, told: Callable[[str], None]) -> None:
    """Remove what is there, and publish in the same process anew: the folders that were known to be durable are gone."""
    await publish_together(store, lambda _: None)
    storage = LocalStorage(store)
    for key, body in TOGETHER.items():
        await storage.delete(key)
        await storage.publish(key, body)
        told(key)


async def publish_in_place(store: Path, told: Callable[[str], None]) -> None:
    """Positive control: a publisher that writes where everybody looks."""
    for key, body in FILES.items():
        (store / key).parent.mkdir(parents=True, exist_ok=True)
        _write(store / key, body)
        told(key)


async def publish_unsynced(store: Path, told: Callable[[str], None]) -> None:
    """Positive control: whole files under their names at once, which nobody told the disk to keep."""
    for key, body in FILES.items():
        (store / key).parent.mkdir(parents=True, exist_ok=True)
        _write(store / "fresh", body)
        (store / "fresh").rename(store / key)
        told(key)


PUBLISHERS: dict[str, Callable[[Path, Callable[[str], None]], Coroutine[Any, Any, None]]] = {
    each.__name__: each
    for each in (publish, publish_together, publish_again, publish_in_place, publish_unsynced)
}


def _write(path: Path, body: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        rest = memoryview(body)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


@contextmanager
def watched(store: Path, before: Callable[[Op, Callable[[], None]], None]) -> Iterator[None]:
    """Call `before` with each call below the folder that changes it, and with what does half of it where that can be."""
    real: dict[str, Any] = {name: getattr(os, name) for name in _CALLS}
    names: dict[int, str] = {}
    root = str(store)

    def open_(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        text = os.fspath(path)
        if str(text).startswith(root) and flags & _CREATES:
            before(Op("create", str(text)), lambda: None)
        descriptor: int = real["open"](path, flags, *rest, **more)
        names[descriptor] = str(text)
        return descriptor

    def write(descriptor: int, data: Any) -> int:
        path = names.get(descriptor, "")
        if path.startswith(root):
            before(Op("write", path), lambda: real["write"](descriptor, bytes(data)[: len(data) // 2]))
        written: int = real["write"](descriptor, data)
        return written

    def fsync(descriptor: int) -> None:
        path = names.get(descriptor, "")
        if path.startswith(root):
            before(Op("fsync", path), lambda: None)
        real["fsync"](descriptor)

    def one(name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **more: Any) -> Any:
            text, other = str(os.fspath(path)), str(os.fspath(rest[0])) if name in _TWO else ""
            if text.startswith(root):
                before(Op(name, text, other), lambda: None)
            return real[name](path, *rest, **more)

        return call

    changed: dict[str, Any] = {"open": open_, "write": write, "fsync": fsync}
    changed |= {name: one(name) for name in _CALLS if name not in changed}
    try:
        for name, call in changed.items():
            setattr(os, name, call)
        yield
    finally:
        for name, call in real.items():
            setattr(os, name, call)


_TWO = {"link", "replace", "rename"}


def record(store: Path, publisher: str) -> list[Op]:
    """Everything that one publication does to the disk, and when it says that something is done."""
    ops: list[Op] = []
    with watched(store, lambda op, _: ops.append(op)):
        asyncio.run(PUBLISHERS[publisher](store, lambda key: ops.append(Op("told", str(store / key)))))
    return ops


@dataclass
class _Disk:
    """What would be left: file contents by identity, and names, each known to be kept or not."""

    root: str
    files: dict[str, int] = field(default_factory=dict)
    unsynced: set[int] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    made: int = 0

    def apply(self, op: Op) -> None:
        match op.name:
            case "create" if op.path not in self.files:
                self.made += 1
                self.files[op.path] = self.made
                self.loose.add(op.path)
            case "write":
                self.unsynced.add(self.files[op.path])
            case "fsync" if op.path in self.files:
                self.unsynced.discard(self.files[op.path])
            case "fsync":
                self.loose = {name for name in self.loose if str(Path(name).parent) != op.path}
            case "mkdir":
                self.loose.add(op.path)
            case "link" | "replace" | "rename":
                self.files[op.other] = self.files[op.path]
                self.loose.add(op.other)
                if op.name != "link":
                    del self.files[op.path]
            case "unlink":
                self.files.pop(op.path, None)
            case "rmdir":
                self.loose.discard(op.path)

    def torn(self) -> set[str]:
        """Names that everybody sees, and whose content the disk need not have yet."""
        inside = (name for name, file in self.files.items() if file in self.unsynced)
        return {name for name in inside if not name.startswith(f"{self.root}/.tmp/")}

    def losable(self, path: str) -> bool:
        """Whether a power cut may take the name away, or a folder above it."""
        while path != self.root:
            if path in self.loose:
                return True
            path = str(Path(path).parent)
        return False


def violations(ops: list[Op], store: Path) -> set[str]:
    """What a power cut at any moment could have torn, or lost although somebody was told that it is done."""
    disk = _Disk(str(store))
    found = set()
    for op in ops:
        disk.apply(op)
        found |= {f"torn: {name}" for name in disk.torn()}
        if op.name == "told" and disk.losable(op.path):
            found.add(f"lost: {op.path}")
    return found


def _killed_at(store: Path, publisher: str, moment: int) -> bool:
    """Publish in a process that is killed at that moment; False where it ended before."""
    child = os.fork()
    if not child:
        count = 0

        def before(_: Op, half: Callable[[], None]) -> None:
            nonlocal count
            count += 1
            if count == moment:
                half()
                os.kill(os.getpid(), signal.SIGKILL)

        with watched(store, before):
            asyncio.run(PUBLISHERS[publisher](store, lambda _: None))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main() -> None:
    """`crashing.py FOLDER PUBLISHER`: fill FOLDER/1/store, FOLDER/2/store … each killed one call later; or `… once` for one."""
    folder, publisher = Path(sys.argv[1]), sys.argv[2]
    if publisher == "once":
        asyncio.run(publish(folder, lambda _: None))
        return
    moment = 1
    while True:
        store = folder / str(moment) / "store"
        store.mkdir(parents=True)
        if not _killed_at(store, publisher, moment):
            return
        moment += 1


if __name__ == "__main__":
    main()
