"""What is known of hosts, and what opens private places on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HostHealth:
    """How a host has answered: `seconds` exponentially weighted, `slow` the 95th percentile of the last answers, `failures`
    the weighted rate of failed requests from 0 to 1, `requests` their number, `seen` the last in seconds since the epoch."""

    host: str
    seconds: float
    slow: float
    failures: float
    requests: int
    seen: float


class HealthRecords(Protocol):
    """The health of hosts across restarts; losing it costs some slow requests. Raises `StorageError`."""

    async def load(self) -> Sequence[HostHealth]: ...

    async def save(self, health: Sequence[HostHealth]) -> None:
        """Replace what is known of these hosts; other hosts stay."""
        ...


class Credential(Protocol):
    """What opens one place over HTTPS. `name` is the URL prefix or the host that it is set for, fit for a message."""

    @property
    def name(self) -> str: ...

    async def authorization(self) -> str:
        """The value of the Authorization header. Never to be logged, nor put into an argument list or a file.

        Raises `CredentialsRefused`, or `SourceUnavailable` where it cannot be had.
        """
        ...

    def refused(self) -> bool:
        """The place did not take it. Whether another one is made when it is asked for again."""
        ...


@dataclass(frozen=True, slots=True)
class SSHWay:
    """A repository reached by SSH: `url` as git takes it, `command` for GIT_SSH_COMMAND (holds no secret).

    `host` is `name:port`; `shown` is the URL as messages have it.
    """

    url: str
    command: str
    host: str
    shown: str


class Credentials(Protocol):
    """Everything that the operator has set to open private places."""

    def find(self, url: str) -> Credential | None:
        """What is set for the URL, of which the longest prefix counts; None where nothing is, and for all but https."""
        ...

    def by_ssh(self, url: str) -> SSHWay | None:
        """How a repository is reached by SSH: for an SSH address, and for an https URL that is set to be; else None.

        Raises `Blocked` for an SSH address that is none, or without known host keys.
        """
        ...
