"""GitHub Apps: a key of the app buys tokens that open one installation's repositories for an hour.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app, "Generating a JSON Web Token" and
"Generating an installation access token".
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from goproxy_mirror.credentials.basic import ANY_USER, basic
from goproxy_mirror.credentials.secretfile import Watched, check_secret
from goproxy_mirror.errors import CredentialsRefused, MirrorError, SourceUnavailable
from goproxy_mirror.transport import Reply

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_EARLY = 300.0
"""Seconds before a token's end after which another is bought: longer than any one exchange with it should last."""

_SHORTEST = 60.0
"""Seconds for which a token is used whatever its end is said to be, so that no wrong clock makes a storm."""

_ASSERTION_PAST, _ASSERTION_LIFE = 60, 540
"""Seconds. GitHub takes ten minutes at most, and advises a minute back for clocks that differ."""

_MOST_ANSWER = 1 << 20


class Post(Protocol):
    """`Transport.post`, of a transport that knows no credentials itself."""

    async def __call__(
        self, url: str, body: bytes, *, limit: int, headers: Mapping[str, str], timeout: float
    ) -> Reply: ...


class AppCredential:
    """`ports.Credential` by a GitHub App's installation. Tokens are kept in memory alone."""

    def __init__(
        self,
        name: str,
        *,
        app: str,
        installation: str,
        key_file: Path,
        api: str,
        post: Post,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`app` is the app's id or client id, `api` the base URL of GitHub's API, `clock` seconds since the epoch."""
        self.name = name
        self._app = app
        self._url = f"{api.rstrip('/')}/app/installations/{installation}/access_tokens"
        self._key = Watched(key_file, read_key)
        self._post = post
        self._clock = clock
        self._token: tuple[str, float] | None = None
        self._buying = asyncio.Lock()

    async def authorization(self) -> str:
        async with self._buying:
            if self._token is None or not self._clock() < self._token[1]:
                self._token = await self._buy()
            return basic(ANY_USER, self._token[0])

    def refused(self) -> bool:
        self._token = None
        return True

    async def _buy(self) -> tuple[str, float]:
        """A fresh token, and until when it is used."""
        now = self._clock()
        headers = {
            "authorization": f"Bearer {self._assertion(now)}",
            "accept": "application/vnd.github+json",
            "content-type": "application/json",
            "x-github-api-version": "2022-11-28",
        }
        try:
            reply = await self._post(self._url, b"{}", limit=_MOST_ANSWER, headers=headers, timeout=30.0)
        except MirrorError as error:
            raise SourceUnavailable(
                f"no token for {self.name} could be got with its GitHub App: {error.message}"
            ) from None
        if reply.status != 201:
            raise self._refusal(reply.status)
        try:
            answer = json.loads(reply.body)
            token, end = str(answer["token"]), datetime.fromisoformat(str(answer["expires_at"])).timestamp()
            check_secret(token)
        except (ValueError, KeyError, TypeError):
            raise SourceUnavailable(
                f"no token for {self.name}: GitHub's API answered with something that is none"
            ) from None
        return token, max(end - _EARLY, now + _SHORTEST)

    def _refusal(self, status: int) -> SourceUnavailable:
        asked = f"GitHub's API answered {status} to the app that is set for {self.name}"
        if status == 401:
            return CredentialsRefused(f"{asked}: check app_id, private_key_file, and the server's clock")
        if status == 404:
            return CredentialsRefused(f"{asked}: check installation_id and api_url")
        return SourceUnavailable(asked)

    def _assertion(self, now: float) -> str:
        """A JSON Web Token that says who we are, signed with the app's key (RFC 7519, RS256 of RFC 7518)."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 (few need it)
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        try:
            key = self._key.get()
        except (OSError, ValueError) as error:
            reason = (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
            raise SourceUnavailable(
                f"the GitHub App's key for {self.name} cannot be used: {reason}"
            ) from None
        claims = {"iat": int(now) - _ASSERTION_PAST, "exp": int(now) + _ASSERTION_LIFE, "iss": self._app}
        said = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return f"{said}.{_base64(key.sign(said.encode('ascii'), PKCS1v15(), SHA256()))}"


def read_key(pem: bytes) -> RSAPrivateKey:
    """An app's private key. Raises `ValueError`, which repeats nothing of it."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPrivateKey):
        return key
    raise ValueError("it is no RSA private key (PEM) without a passphrase")


def _encoded(value: Mapping[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
