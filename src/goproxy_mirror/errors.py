"""The whole error tree: what can go wrong on the way of a request.

A class says *whose word* a failure is, since that decides what the go command does next (it looks elsewhere on
404 and 410, and stops on everything else):

    MirrorError
    ├── BadRequest                  the request itself is malformed, or tries to leave the store
    ├── NotFound                    an authority says that there is no such thing
    │   ├── NoRepository            there is no repository at that URL, or none for us
    │   ├── InvalidPath             the text can be no module path
    │   └── InvalidVersion          the text can be no version, or none of this path
    ├── Blocked                     a policy's no
    ├── SourceUnavailable           nobody could say: not an absence
    │   ├── Unreachable             the host did not answer at all (name, connection, handshake)
    │   ├── SourceTimeout           it answered, but not in time
    │   ├── CredentialsRefused      it did not take the credentials that are set for it
    │   ├── OutageDisguised         it said 404, and meant that it could not say
    │   ├── Undiscovered            where the module's repository is could not be found out
    │   ├── Unbuildable             the repository was read, but no module can be built from that revision
    │   ├── Unproven                nobody can vouch for what arrived: the checksum database could not be asked
    │   │   └── NotRecorded         it was asked, and has no record of that version
    │   └── NeedsTool               a program that this needs is not on the server
    ├── Loop                        the request came back to where it started
    ├── SecurityError               what arrived contradicts what is known to be true
    ├── StorageError                the store could not take or give a file
    │   ├── StorageFull             the store has no room
    │   └── StoreRefused            the bucket is not there, or not for these credentials
    └── SettingError                a setting that cannot be meant

`web/failures.py` maps each class to a status, once. Messages are for the person who reads them: what was asked,
what failed, at which source, what to do; never a secret, a local path or a traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class MirrorError(Exception):
    """The root of every failure that this program foresees.

    `source` names where it happened (an upstream's or a repository's URL without credentials), or is None. `detail` is for
    whoever runs the program, such as an address within the house: commands say it, answers to clients never do.
    """

    def __init__(self, message: str, *, source: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.detail = detail

    @property
    def line(self) -> str:
        """The message in one line; where it has several (one for each source), with semicolons between them."""
        lines = [" ".join(line.split()) for line in self.message.splitlines() if line.strip()]
        ended = [line if line.endswith((":", ";", ",")) else f"{line};" for line in lines[:-1]]
        return " ".join((*ended, *lines[-1:]))


class BadRequest(MirrorError):
    """The request is malformed (encoding, control bytes) or tries to leave the store (traversal)."""


class NotFound(MirrorError):
    """Somebody who can know has said that there is no such module, version or revision."""


class NoRepository(NotFound):
    """There is no repository at the URL, or none without credentials; says nothing about copies elsewhere."""


class InvalidPath(NotFound):
    """The text can be no module path; the go command must be able to go on to the next proxy."""


class InvalidVersion(NotFound):
    """The text can be no version, or no version of that module path."""


class Blocked(MirrorError):
    """A policy says no. Never an absence: the go command would ask the origin itself."""


class SourceUnavailable(MirrorError):
    """Nobody could say: the source failed, refused, or answered something that is no answer."""


class Unreachable(SourceUnavailable):
    """The host did not answer: no address, no connection, no handshake. `host` is `name` or `name:port`."""

    def __init__(self, message: str, *, host: str, source: str | None = None) -> None:
        super().__init__(message, source=source)
        self.host = host


class SourceTimeout(SourceUnavailable):
    """The source answered, but did not finish in time."""


class CredentialsRefused(SourceUnavailable):
    """The source did not take the credentials that the operator set for it, so it has said nothing about what is there."""


class OutageDisguised(SourceUnavailable):
    """An upstream said 404 or 410 about its own outage (goproxy/goproxy does, uncacheable or in so many words).

    The walk over the upstreams goes on as after an absence, but it counts as an outage in the end.
    """


class Undiscovered(SourceUnavailable):
    """The host that knows where a module's repository is could not be asked. `host` is `name` or `name:port`, or None."""

    def __init__(self, message: str, *, host: str | None = None, source: str | None = None) -> None:
        super().__init__(message, source=source)
        self.host = host


class Unbuildable(SourceUnavailable):
    """The repository was read, but no valid module can be built from the revision (a bad name, a size limit).

    Where the repository is an authority (the origin, a repository on a local path) this is said as NotFound, as
    the go command does; from a remote mirror it means: try the next home.
    """


class Unproven(SourceUnavailable):
    """Nobody can vouch for what arrived: the checksum database could not be asked, or its answer was none.

    No home's failure, and no other home's cure: nothing new is published meanwhile.
    """


class NotRecorded(Unproven):
    """The checksum database was asked, and says that it has no record of the version. That carries no proof."""


class NeedsTool(SourceUnavailable):
    """A program that this needs (hg, svn, fossil, go) is not on the server."""


class Loop(MirrorError):
    """The request has passed through this very proxy before."""


class SecurityError(MirrorError):
    """What arrived contradicts what is known to be true. Never cached as absence."""


class StorageError(MirrorError):
    """The store could not take or give a file."""


class StorageFull(StorageError):
    """The store has no room left."""


class StoreRefused(StorageError):
    """The object store answers, and will answer the same next time: no such bucket, or not for these credentials."""


class SettingError(MirrorError):
    """A setting that cannot be meant: names the setting, the value, and what is allowed. Exit status 2."""


@contextmanager
def disk_failures(task: str) -> Iterator[None]:
    """Say what a disk that is written to says in the store's terms; `task` completes "could not"."""
    try:
        yield
    except OSError as error:
        if isinstance(error, TimeoutError):  # of a wait, which no disk raises
            raise
        kind = StorageFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else StorageError
        raise kind(f"could not {task}: {error.strerror or 'unknown failure'}") from error
