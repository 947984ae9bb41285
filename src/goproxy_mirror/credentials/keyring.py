"""All credentials together: `ports.Credentials`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from goproxy_mirror.credentials.basic import SecretCredential
from goproxy_mirror.credentials.netrc import Login, read_netrc
from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.credentials.secretfile import Watched
from goproxy_mirror.credentials.ssh import SSH
from goproxy_mirror.ports import Credential, SSHWay
from goproxy_mirror.transport import Target, UrlError

log = structlog.get_logger(__name__)


class Keyring:
    """Finds the credential of a URL: that of the longest prefix, and where none is set, the netrc file's."""

    def __init__(
        self,
        entries: Sequence[tuple[Prefix, Credential]] = (),
        *,
        netrc: Path | None = None,
        ssh: SSH | None = None,
    ) -> None:
        self._entries = sorted(entries, key=lambda entry: -len(entry[0].path))
        self._netrc = Watched(netrc, read_netrc) if netrc is not None else None
        self._logins: tuple[Login, ...] = ()
        self._complained = False
        self._ssh = ssh or SSH(known_hosts=None)

    def find(self, url: str) -> Credential | None:
        try:
            target = Target.parse(url)
        except UrlError:
            return None
        if target.scheme != "https":
            return None
        for prefix, credential in self._entries:
            if prefix.rest(target) is not None:
                return credential
        for login in self._from_netrc():
            if login.prefix.rest(target) is not None:
                return _credential(login)
        return None

    def by_ssh(self, url: str) -> SSHWay | None:
        return self._ssh.way(url)

    def _from_netrc(self) -> tuple[Login, ...]:
        """The file's entries; while it cannot be read, those that it had."""
        if self._netrc is None:
            return ()
        try:
            self._logins = self._netrc.get()
            self._complained = False
        except OSError as error:
            if not self._complained:
                log.warning("the netrc file cannot be read; what it held goes on", reason=error.strerror)
            self._complained = True
        return self._logins


def _credential(login: Login) -> Credential:
    return SecretCredential(login.machine, lambda: login.password, user=login.name)
