"""Running the commands that look at a store and its sources from outside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.world.go import clean_environment
from tests.world.internet import Internet
from tests.world.modules import MOD_VERSIONS, Modules
from tests.world.server import Server, program
from tests.world.sumdb import SumDB

NEWEST = MOD_VERSIONS[-1]
DATABASE = "sums.example"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """What `verify --json` says at the end."""
        found: dict[str, Any] = self.lines[-1]["summary"]
        return {word: count for word, count in found.items() if count}

    def word(self, file: str) -> str | None:
        """What `verify --json` says of a file."""
        return next((str(line["verdict"]) for line in self.lines if line.get("file") == file), None)


@dataclass
class Inspected:
    """A store, a database with a record of every kept module, and the commands."""

    internet: Internet
    modules: Modules
    database: SumDB
    server: Server
    folder: Path

    @property
    def store(self) -> Path:
        return self.server.store

    def command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """A command line on the server's folders, and its environment."""
        home = self.folder / "operator"
        home.mkdir(exist_ok=True)
        common = ("--data", str(self.server.data), "--gosumdb", f"{self.database.vkey} https://{DATABASE}")
        env = {**clean_environment(home), **self.internet.env(), "COLUMNS": "80"}
        return [*program(*arguments), *common], env

    def run(self, *arguments: str) -> Done:
        """Run a command to its end."""
        line, env = self.command(*arguments)
        done = subprocess.run(line, env=env, capture_output=True, check=False, timeout=120, text=True)
        return Done(done.returncode, done.stdout, done.stderr)

    def spoil(self, key: str, change: Callable[[bytes], bytes] | None = None) -> None:
        """Change a stored file behind everybody's back; by default one bit in its middle."""
        file = self.store / key
        body = file.read_bytes()
        middle = len(body) // 2
        flipped = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        file.write_bytes(change(body) if change else flipped)
