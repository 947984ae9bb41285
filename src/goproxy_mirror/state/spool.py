"""Changes that wait for the database, on the disk too, so that they outlive their process. All of it blocks."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from filelock import FileLock, Timeout

from goproxy_mirror.ports import Home, Proof

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

log = structlog.get_logger(__name__)

Said = Mapping[str, Any]
"""A change as plain values, for a line of JSON."""


def recorded(key: str, home: Home, size: int, proof: Proof | None, at: float) -> Said:
    """A file is published."""
    return {
        "key": key,
        "home": [home.kind, home.name],
        "size": size,
        "proof": None if proof is None else asdict(proof),
        "at": at,
    }


def proved(key: str, proof: Proof, at: float) -> Said:
    """A stored file was proven."""
    return {"proved": key, "proof": asdict(proof), "at": at}


def held(stem: str) -> Said:
    """A version is held."""
    return {"held": stem}


def apply(session: Session, said: Said) -> None:
    """Make the change. Raises KeyError, TypeError and ValueError where it is none."""
    if "held" in said:
        session.put_held([str(said["held"])])
    elif "proved" in said:
        session.put_proof(str(said["proved"]), Proof(**said["proof"]), float(said["at"]))
    else:
        proof = None if said["proof"] is None else Proof(**said["proof"])
        kind, name = said["home"]
        session.put_file(
            str(said["key"]), Home(kind, name), size=int(said["size"]), proof=proof, at=float(said["at"])
        )


class Spool:
    """One file of lines for each process that has something waiting, in a folder that all processes of a node share.

    A process holds a lock on its file for as long as it lives; what nobody holds is left over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._lock = FileLock(self._lock_of(self._path), timeout=0, thread_local=False)

    def add(self, said: Said) -> None:
        """Keep the change. A disk that cannot is told of, and stops nobody."""
        try:
            if not self._lock.is_locked:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(said) + "\n")
        except (OSError, Timeout) as error:
            log.warning("a change that waits is not on the disk", reason=str(error))

    def clear(self) -> None:
        """Everything was written."""
        if self._lock.is_locked:
            self._remove(self._path)
            self._lock.release()

    def close(self) -> None:
        """The process ends: what still waits is left over."""
        self._lock.release()

    def left_over(self) -> Sequence[tuple[Path, Sequence[Said]]]:
        """What ended processes have left, by file; `done` forgets it. What two processes take at once is written twice."""
        found = []
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []:
            with suppress(OSError, Timeout), FileLock(self._lock_of(path), timeout=0):
                found.append((path, [said for line in _lines(path) if (said := _parsed(line))]))
        return found

    def done(self, path: Path) -> None:
        """What was left in that file was written."""
        self._remove(path)

    def _remove(self, path: Path) -> None:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            self._lock_of(path).unlink(missing_ok=True)

    @staticmethod
    def _lock_of(path: Path) -> Path:
        return path.with_suffix(".lock")


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines()


def _parsed(line: str) -> Said | None:
    """None for a line that was torn."""
    with suppress(ValueError):
        said = json.loads(line)
        if isinstance(said, dict):
            return said
    return None
