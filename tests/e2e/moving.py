"""Running the commands that move stores, and comparing what came of it."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.world.go import clean_environment
from tests.world.server import program
from tests.world.store import published_files
from tests.world.sumdb import SumDB

DATABASE = "sums.example"


@dataclass(frozen=True)
class Moved:
    """How a command ended; `out` is bytes where it wrote a stream."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Both outputs, for people."""
        return self.out.decode("utf-8", "replace") + self.err


@dataclass
class Mover:
    """Commands on data folders. `settings` and `env` go with each."""

    folder: Path
    settings: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: str, *arguments: str, data: Path, stdin: bytes | None = None) -> Moved:
        """Run a command to its end."""
        home = self.folder / "operator"
        home.mkdir(exist_ok=True)
        done = subprocess.run(
            [*program(command), *arguments, "--data", str(data), *self.settings],
            env={**clean_environment(home), "GOSUMDB": "off", "COLUMNS": "80", **self.env},
            input=stdin or b"",
            capture_output=True,
            check=False,
            timeout=180,
        )
        return Moved(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def believing(database: SumDB, place: str = f"https://{DATABASE}") -> tuple[str, ...]:
    """The settings of who has everything proven by a database."""
    return ("--gosumdb", f"{database.vkey} {place}")


def contents(store: Path) -> dict[str, str]:
    """The hash of each published file, and of each list, by its key."""
    keys = [
        *published_files(store),
        *(str(file.relative_to(store)) for file in store.rglob("@v/list")),
    ]
    return {key: sha256((store / key).read_bytes()).hexdigest() for key in keys}


def rows(data: Path, table: str, columns: str = "*") -> set[tuple[object, ...]]:
    """What the state has in a table."""
    with sqlite3.connect(data / "state" / "state.db") as state:
        return set(state.execute(f"SELECT {columns} FROM {table}").fetchall())
