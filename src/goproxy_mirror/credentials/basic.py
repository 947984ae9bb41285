"""Credentials that are a secret and nothing more: tokens, and names with passwords."""

from __future__ import annotations

import base64
from collections.abc import Callable

from goproxy_mirror.errors import SourceUnavailable

ANY_USER = "x-access-token"
"""Beside a token in Basic authentication. GitHub's own word for it; GitLab, Gitea and Azure take any."""


class SecretCredential:
    """`ports.Credential` for a secret that `secret` gives: Basic with a user's name, or Bearer without one."""

    def __init__(self, name: str, secret: Callable[[], str], *, user: str | None) -> None:
        self.name = name
        self._secret = secret
        self._user = user

    async def authorization(self) -> str:
        try:
            secret = self._secret()
        except (OSError, ValueError) as error:
            reason = (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
            raise SourceUnavailable(
                f"the credentials for {self.name} cannot be read from their file: {reason}"
            ) from None
        return bearer(secret) if self._user is None else basic(self._user, secret)

    def refused(self) -> bool:
        return False


def basic(user: str, password: str) -> str:
    """The header's value for a name and a password (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def bearer(token: str) -> str:
    """The header's value for a token (RFC 6750)."""
    return f"Bearer {token}"
