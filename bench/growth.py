"""Whether a store that has grown is as fast as a new one: a hit, a list, a miss, and the start.

A store of N versions is made once and kept: three files for each version, in modules of a hundred versions, and a row of the
state for each file and each version, as publishing them would have left. One with a million versions has three million files.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from filelock import FileLock

from bench import load
from bench.figures import Measure, Target
from bench.filled import TIME, herd_module
from bench.kept import kept_folder
from bench.servers import Launch, Place, Server, ours
from bench.setting import Setting

NAME = "growth"
SIZES = {"10^3": 1_000, "10^5": 100_000, "10^6": 1_000_000}
_LINKS = 30_000
"""A file has this many names at most; file systems allow 65,000."""
_MISSES = 100
_LISTS = 30
_SPREAD = 500
_EACH = 100


def _grown(setting: Setting, size: int) -> Path:
    """A data folder with that many versions, made on the first call on a machine."""
    kept = kept_folder("growth")
    data = kept / str(size)
    with FileLock(f"{data}.lock"):
        if not (data / "done").exists():
            shutil.rmtree(data, ignore_errors=True)
            print(f"  making a store of {size:,} versions ...", flush=True)
            with setting.server("ours", make=_Over(data)):
                pass  # makes the state with its tables
            _publish(data, size)
            _record(data / "state/state.db", size)
            (data / "done").touch()
    return data


class _Over:
    """Our server over a data folder that is there already."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def __call__(self, place: Place) -> Launch:
        launch = ours(place)
        command = list(launch.command)
        command[command.index("--data") + 1] = str(self._data)
        return Launch(command, launch.env, launch.ready)


def _versions(size: int) -> Iterator[tuple[str, str]]:
    for number in range(size):
        yield (
            f"grown.test/g{number // (_EACH * 100):03d}/m{number // _EACH % 100:02d}",
            f"v1.{number % _EACH}.0",
        )


def _publish(data: Path, size: int) -> None:
    bodies = {
        "info": f'{{"Version":"v1.0.0","Time":"{TIME}"}}'.encode(),
        "mod": b"module grown.test/m\n\ngo 1.21\n" + b"// a comment\n" * 40,
        "zip": b"not opened by what is measured here",
    }
    sources: dict[str, Path] = {}
    previous = ""
    for number, (path, version) in enumerate(_versions(size)):
        folder = data / "store" / path / "@v"
        if path != previous:
            folder.mkdir(parents=True)
            (folder / "list").write_text("".join(f"v1.{each}.0\n" for each in range(_EACH)))
            previous = path
        for kind, body in bodies.items():
            target = folder / f"{version}.{kind}"
            if number % _LINKS:
                target.hardlink_to(sources[kind])
            else:
                target.write_bytes(body)
                sources[kind] = target


def _record(file: Path, size: int) -> None:
    columns = "key, kind, home_kind, home, size, hash, proven_by, tree, first_seen, verified"
    proof = "h1:" + "A" * 43 + "="
    rows = (
        (
            f"{path}/@v/{version}.{kind}",
            f".{kind}",
            "upstream",
            "http://127.0.0.1",
            500,
            *((None, None, None) if kind == "info" else (proof, "sum.bench.test", 1)),
            1_700_000_000.0,
            None if kind == "info" else 1_700_000_000.0,
        )
        for path, version in _versions(size)
        for kind in ("info", "mod", "zip")
    )
    connection = sqlite3.connect(file)
    try:
        with connection:
            marks = ", ".join("?" * 10)
            connection.executemany(f"INSERT INTO provenance ({columns}) VALUES ({marks})", rows)
            connection.executemany(
                "INSERT INTO feed (stem, at) VALUES (?, ?)",
                (
                    (f"{path}/@v/{version}", 1_700_000_000_000_000 + number)
                    for number, (path, version) in enumerate(_versions(size))
                ),
            )
    finally:
        connection.close()


def _growth(setting: Setting) -> None:
    sizes = {name: size for name, size in SIZES.items() if setting.million or size <= 100_000}
    grown = {name: _grown(setting, size) for name, size in sizes.items()}
    setting.upstream.set(0)
    for _ in range(setting.repeats):
        for name, data in grown.items():
            server = setting.server("ours", make=_Over(data))
            state = data / "state/state.db"
            kept = setting.folder / "kept.db"
            shutil.copy(state, kept)
            try:
                setting.figures.add(NAME, name, "s", start=server.start())
                _ask(setting, server, name, sizes[name])
            except (RuntimeError, OSError) as error:
                setting.figures.note(f"{NAME}, {name}: {error}"[:400])
            finally:
                server.stop()
                _restore(data, kept)


def _restore(data: Path, kept: Path) -> None:
    """Take away what the misses have added, so that the next repeat misses again."""
    for name in ("state.db-wal", "state.db-shm"):
        (data / "state" / name).unlink(missing_ok=True)
    shutil.copy(kept, data / "state/state.db")
    shutil.rmtree(data / "store/bench.test", ignore_errors=True)
    for name in ("sumdb", "answers"):
        shutil.rmtree(data / "state" / name, ignore_errors=True)


def _ask(setting: Setting, server: Server, name: str, size: int) -> None:
    add = setting.figures.add
    server.get("/readyz")
    lists = [f"/{herd_module(_MISSES + number)}/@v/list" for number in range(_LISTS)]
    add(NAME, name, "ms", list=_timed(server, lists) * 1e3)
    # As many paths from a large store as from a small one: what grows is the store, not what is asked.
    spread = [
        f"/{path}/@v/{version}.mod" for path, version in islice(_versions(size), 0, None, size // _SPREAD)
    ]
    add(NAME, name, "ms", first_hit=_timed(server, spread) * 1e3)
    _timed(server, spread)
    misses = [f"/{herd_module(number)}/@v/v1.0.0.mod" for number in range(_MISSES)]
    before = server.process.cpu()
    add(NAME, name, "ms", miss=_timed(server, misses) * 1e3)
    add(NAME, name, "ms", CPU_a_miss=(server.process.cpu() - before) / _MISSES * 1e3)
    add(NAME, name, "MB", memory=server.process.peak() / 1e6)
    if load.available():
        done = load.put(
            server.url,
            spread,
            server.process,
            setting.folder,
            seconds=setting.seconds,
            core=setting.client_core,
        )
        add(NAME, name, "µs", CPU_a_hit=done.cpu * 1e6)


def _timed(server: Server, paths: list[str]) -> float:
    """Seconds for each of the paths, asked one after the other."""
    began = time.perf_counter()
    for path in paths:
        status, _ = server.get(path)
        if status != 200:
            raise RuntimeError(f"{status} for {path}: {server.process.said()}")
    return (time.perf_counter() - began) / len(paths)


_QUANTITIES = ("CPU a hit", "list", "miss", "CPU a miss")
MEASURES = (
    Measure(
        NAME,
        "our store with 1,000 and with 100,000 versions (and a million with --million)",
        _growth,
        (
            *(
                Target(NAME, quantity, 1.2, "10^3", server=size)
                for size in ("10^5", "10^6")
                for quantity in _QUANTITIES
            ),
            Target(NAME, "start", 2.0, server="10^6"),
            Target(NAME, "start", 2.0, server="10^5"),
        ),
    ),
)
