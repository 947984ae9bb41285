"""What will be asked for next, told from what was asked for and from what the `.mod` files say.

How the go command walks (readModGraph in cmd/go/internal/modload/buildlist.go, and https://go.dev/ref/mod#graph-pruning):

* Below a module that says `go 1.16` or less, every `.mod` that is required is read, and everything below those.
* Of a module that says `go 1.17` or more only its own `.mod` is read, since the main module lists all that it needs. In a
  project of 345 modules three of five versions that such files name were never asked for. They are followed only where a
  client shows that it reads them all (its own go.mod is an old one), or where the module's `.info` has announced it: it is
  being added then, and if one of its list is asked for, so is the rest (`go get` of what nothing imports reads none of it).
* Once the graph is known, `.info` is asked for of the highest version of each path, in the order of the paths (`go mod
  download`, `go list -m all`). So one that is asked for announces those that follow.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.protocol import File

K = TypeVar("K")
V = TypeVar("V")

_HORIZON = 300.0
"""Seconds for which what was asked for tells something about what will be."""

_REACH = 32
"""How many `.info` one announces."""

_MOST_PATHS = 8192
_MOST_REMEMBERED = 4096

_SIGNS, _SOON = 4, 10.0
"""How many versions that a pruned graph would pass over make a client that reads them all, within how many seconds."""

_WHOLE_LISTS = 30.0
"""Seconds for which a client that wants the `.info` of what was only named is taken to go on like that."""


@dataclass(slots=True)
class _Known:
    """The highest version of a path that was asked for or named; `asked`: its `.mod` was; `at`: when something was."""

    version: Version
    asked: bool
    at: float


class Foresight:
    """What the clients of one process will ask for. Pure: `now` is in seconds, on any clock that does not go back.

    Each method returns the files that are to be expected now, the nearest first; most of them nothing.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._paths: list[str] = []
        self._below: OrderedDict[ModuleVersion, bool] = OrderedDict()
        self._announced: OrderedDict[ModuleVersion, None] = OrderedDict()
        self._lists: OrderedDict[ModuleVersion, Sequence[ModuleVersion]] = OrderedDict()
        self._passed_over: OrderedDict[ModuleVersion, None] = OrderedDict()
        self._signs: deque[float] = deque(maxlen=_SIGNS)
        self._reads_all_until = -_HORIZON
        self._whole_lists_until = -_HORIZON

    def asked(self, request: File, now: float) -> Sequence[File]:
        """A file was asked for that is not held."""
        if request.kind is FileKind.MOD:
            return self._mod_asked(request.mv, now)
        if request.kind is FileKind.INFO:
            return self._info_asked(request.mv, now)
        return ()

    def used(self, request: File, now: float) -> Sequence[File]:
        """A file was asked for that was fetched because of this foresight."""
        if request.kind is not FileKind.INFO:
            self._note(request.mv, now, asked=True)
            return ()
        known = self._known.get(request.path.value)
        if known is not None and not known.asked:
            self._whole_lists_until = now + _WHOLE_LISTS
        return self._infos_after(request.path.value, now)

    def arrived(
        self, mv: ModuleVersion, required: Sequence[ModuleVersion], now: float, *, pruned: bool
    ) -> Sequence[File]:
        """The `.mod` of a version was fetched; `pruned`: it says `go 1.17` or more."""
        below = self._below.pop(mv, None)
        if below is False:
            return ()
        announced = self._announced.pop(mv, self) is None
        for each in required:
            self._note(each, now, asked=False)
        if below or not pruned or now < self._reads_all_until:
            return self._with_all_below(required)
        for each in required:
            if announced:
                _remember(self._lists, each, required)
            else:
                _remember(self._passed_over, each, None)
        return ()

    def _mod_asked(self, mv: ModuleVersion, now: float) -> Sequence[File]:
        # A pruned graph reads the highest version alone, but for what stands below an unpruned module.
        passed_over = self._is_outdone(mv) and mv in self._passed_over
        self._passed_over.pop(mv, None)
        self._note(mv, now, asked=True)
        added = self._lists.pop(mv, ())
        if added:
            for each in added:
                self._lists.pop(each, None)
            # Of several lists together, as `go build` asks for all modules of a project, the highest versions alone are read.
            return _mods([each for each in added if each != mv and not self._is_outdone(each)])
        if not passed_over or mv in self._below:
            return ()
        self._signs.append(now)
        if len(self._signs) < _SIGNS or now - self._signs[0] > _SOON:
            return ()
        read_already = now < self._reads_all_until
        self._reads_all_until = now + _SOON
        if read_already:
            return ()
        expected = self._with_all_below(tuple(self._passed_over))
        self._passed_over.clear()
        return expected

    def _info_asked(self, mv: ModuleVersion, now: float) -> Sequence[File]:
        known = self._known.get(mv.path.value)
        if known is None or known.version != mv.version or now - known.at > _HORIZON:
            _remember(self._announced, mv, None)
            return _mods([mv])
        if not known.asked:
            self._whole_lists_until = now + _WHOLE_LISTS
        # The graph has been read. Its `.mod`, if it was not, is asked for by itself, and leads to no other.
        _remember(self._below, mv, False)
        known.at = now
        return self._infos_after(mv.path.value, now)

    def _infos_after(self, path: str, now: float) -> Sequence[File]:
        found: list[File] = []
        announced = 0
        # What was only named is not among what `go mod download` asks for.
        whole = now < self._whole_lists_until
        for each in islice(self._paths, bisect_right(self._paths, path), None):
            known = self._known[each]
            if now - known.at <= _HORIZON and (known.asked or whole):
                mv = ModuleVersion(ModulePath(each), known.version)
                if not known.asked:
                    _remember(self._below, mv, False)
                    found += _mods([mv])
                found.append(File(mv, FileKind.INFO))
                announced += 1
                if announced == _REACH:
                    break
        return found

    def _is_outdone(self, mv: ModuleVersion) -> bool:
        """Whether a higher version of the path was asked for or named."""
        known = self._known.get(mv.path.value)
        return known is not None and mv.version < known.version

    def _with_all_below(self, required: Sequence[ModuleVersion]) -> Sequence[File]:
        fresh = [each for each in required if not self._below.get(each)]
        for each in fresh:
            _remember(self._below, each, True)
        return _mods(fresh)

    def _note(self, mv: ModuleVersion, now: float, *, asked: bool) -> None:
        path = mv.path.value
        known = self._known.get(path)
        if known is None:
            self._known[path] = _Known(mv.version, asked, now)
            insort(self._paths, path)
            while len(self._known) > _MOST_PATHS:
                oldest, _ = self._known.popitem(last=False)
                del self._paths[bisect_left(self._paths, oldest)]
            return
        if now - known.at > _HORIZON or known.version < mv.version:
            known.version, known.asked = mv.version, asked
        elif known.version == mv.version:
            known.asked = known.asked or asked
        known.at = now
        self._known.move_to_end(path)


def _mods(versions: Sequence[ModuleVersion]) -> Sequence[File]:
    return [File(each, FileKind.MOD) for each in versions]


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)
