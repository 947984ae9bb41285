"""How git reaches a repository by SSH: one key or agent, known host keys, and nothing of anybody's configuration.

Git starts the program that GIT_SSH_COMMAND names through a shell, with user, host and the remote command added as
arguments of their own. What stands in the command is made here, of settings that hold no quote and nothing that ssh expands.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from goproxy_mirror.credentials.prefix import Prefix
from goproxy_mirror.errors import Blocked, SettingError
from goproxy_mirror.module.sshaddress import SSHAddress, is_plain_file, is_ssh
from goproxy_mirror.ports import SSHWay
from goproxy_mirror.transport import Target, UrlError

# Nothing is asked of a person, no host is believed that is not known, nothing is forwarded, shared or started.
_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "PreferredAuthentications=publickey",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "AddKeysToAgent=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
    "ControlMaster=no",
    "ControlPath=none",
    "CanonicalizeHostname=no",
    "LogLevel=ERROR",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=2",
)


@dataclass(frozen=True, slots=True)
class SSHRoute:
    """Repositories below an https prefix are fetched from `address` + the rest; `key` in place of the common one."""

    prefix: Prefix
    address: str
    key: Path | None = None


class SSH:
    """Builds the way to each repository. `connect_timeout` in seconds."""

    def __init__(
        self,
        *,
        known_hosts: Path | None,
        key: Path | None = None,
        agent: Path | None = None,
        routes: Sequence[SSHRoute] = (),
        connect_timeout: float = 5.0,
    ) -> None:
        """Raises `SettingError` for a path that ssh would not take as it is."""
        for path in (known_hosts, key, agent, *(route.key for route in routes)):
            if path is not None and not is_plain_file(str(path)):
                raise SettingError(
                    f'"{path}": ssh would read this path in its own way; allowed are absolute paths without '
                    "quotes, $, %, ~ and backslashes"
                )
        self._known_hosts = known_hosts
        self._key = key
        self._agent = agent
        self._routes = sorted(routes, key=lambda route: -len(route.prefix.path))
        self._connect_timeout = connect_timeout

    def way(self, url: str) -> SSHWay | None:
        """The way to a repository at an SSH address, or below an https prefix with a route; None for all others.

        Raises `Blocked`.
        """
        if is_ssh(url):
            return self._way(url, None)
        try:
            target = Target.parse(url)
        except UrlError:
            return None
        for route in self._routes:
            rest = route.prefix.rest(target)
            if rest is not None:
                return self._way(route.address + rest, route.key)
        return None

    def _way(self, url: str, key: Path | None) -> SSHWay:
        try:
            address = SSHAddress.parse(url)
        except ValueError as error:
            raise Blocked(f"a repository's SSH address cannot be used: {error}") from None
        if not address.path.strip("/"):
            raise Blocked(f"{address.shown} names no repository on its host")
        if self._known_hosts is None:
            raise Blocked(
                f"{address.shown} is not asked: no host keys are known here (setting ssh_known_hosts)"
            )
        return SSHWay(address.text, self._command(key), address.authority, address.shown)

    def _command(self, own_key: Path | None) -> str:
        key = own_key or self._key
        # Where several keys are offered, a host may take one that opens something else.
        only = own_key is not None or (key is not None and self._agent is None)
        options = [
            *_OPTIONS,
            f'UserKnownHostsFile="{self._known_hosts}"',
            f"ConnectTimeout={math.ceil(self._connect_timeout)}",
            f'IdentityAgent="{self._agent}"' if self._agent else "IdentityAgent=none",
            f'IdentityFile="{key}"' if key else "IdentityFile=none",
            f"IdentitiesOnly={'yes' if only else 'no'}",
        ]
        words = ["ssh", "-F", "/dev/null", "-T", "-a", "-x"]
        for option in options:
            words += ["-o", option]
        return shlex.join(words)
