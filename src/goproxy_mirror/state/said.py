"""Changes of the state database as plain values: what is to be written, whoever writes it and when."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Lie, Pin, Proof

if TYPE_CHECKING:
    from goproxy_mirror.state.session import Session

Said = Mapping[str, Any]
"""One change, for a line of JSON. Times are in seconds since the epoch."""


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


def held(stem: str, at: float) -> Said:
    """A version is held."""
    return {"held": stem, "at": at}


def dropped(key: str, at: float) -> Said:
    """A file is not published any more."""
    return {"dropped": key, "at": at}


def pinned(mv: ModuleVersion, kind: FileKind, pin: Pin) -> Said:
    """A file is pinned."""
    return {"pinned": [mv.path.value, mv.version.value, kind.value], "pin": asdict(pin)}


def lied(lie: Lie) -> Said:
    """A home lied."""
    return {
        "lied": [lie.home.kind, lie.home.name],
        "of": [lie.mv.path.value, lie.mv.version.value, lie.kind],
        "known": lie.known,
        "brought": lie.brought,
        "at": lie.at,
    }


def forked(name: str, evidence: bytes, at: float) -> Said:
    """A checksum database has shown two histories."""
    return {"forked": name, "evidence": base64.b64encode(evidence).decode(), "at": at}


def used(counts: Mapping[str, int], day: int, *, complete: bool) -> Said:
    """How often files were asked for, as far as it is known."""
    return {"used": dict(counts), "day": day, "complete": complete}


def apply(session: Session, said: Said) -> None:
    """Make the change. Raises KeyError, TypeError and ValueError where it is none."""
    match said:
        case {"key": key, "home": [kind, name], "proof": proof}:
            known = None if proof is None else Proof(**proof)
            session.put_file(
                str(key), Home(kind, name), size=int(said["size"]), proof=known, at=float(said["at"])
            )
        case {"proved": key, "proof": proof}:
            session.put_proof(str(key), Proof(**proof), float(said["at"]))
        case {"held": stem}:
            session.put_held([str(stem)])
        case {"dropped": key}:
            session.drop_file(str(key))
        case {"pinned": [path, version, kind], "pin": pin}:
            session.add_pin(_mv(path, version), FileKind(kind), Pin(**pin))
        case {"lied": [kind, name], "of": [path, version, ending]}:
            session.add_lie(
                Lie(
                    home=Home(kind, name),
                    mv=_mv(path, version),
                    kind=str(ending),
                    known=str(said["known"]),
                    brought=str(said["brought"]),
                    at=float(said["at"]),
                )
            )
        case {"forked": name, "evidence": evidence}:
            session.add_fork(str(name), base64.b64decode(evidence), float(said["at"]))
        case {"used": counts, "day": day}:
            times = {str(key): int(count) for key, count in counts.items()}
            session.add_uses(times, int(day), complete=bool(said["complete"]))
        case _:
            raise ValueError("no change")


def apply_late(session: Session, said: Said) -> None:
    """The same long after it was said: what others have said of a file since then stays."""
    match said:
        case {"key": str(key), "at": at} | {"proved": str(key), "at": at}:
            if session.taken_out(key.rpartition(".")[0], float(at)):
                return
        case {"held": str(stem), "at": at}:
            if session.taken_out(stem, float(at)):
                return
        case {"dropped": str(key), "at": at}:
            record = session.file(key)
            if record is not None and record.first_seen > float(at):
                return
    apply(session, said)


def _mv(path: str, version: str) -> ModuleVersion:
    return ModuleVersion(ModulePath(str(path)), Version(str(version)))
