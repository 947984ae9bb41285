"""GitHub's API as far as Apps need it: it checks the assertion and sells tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.world.local_http import Exchange, LocalServer

START = 1_800_000_000.0
HOUR = 3600


def new_key() -> bytes:
    """An RSA key as GitHub gives it out."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


class AppAPI(LocalServer):
    """The app 12 with its key, and its installation 34.

    `sold` counts the tokens (`ghs_1`, `ghs_2`, …), `life` is theirs in seconds; `answers` takes the place of all that.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = lambda: START) -> None:
        loaded = load_pem_private_key(key, None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        self._key = loaded.public_key()
        self.clock = clock
        self.sold = 0
        self.life = HOUR
        self.headers: list[dict[str, str]] = []
        self.answers: Callable[[], tuple[int, bytes, dict[str, str]]] | None = None
        super().__init__()

    def handle(self, exchange: Exchange) -> None:
        exchange.body()
        self.headers.append(exchange.headers)
        if self.answers is not None:
            exchange.reply(*self.answers())
        elif exchange.method != "POST" or not self._is_signed(exchange.headers.get("authorization", "")):
            exchange.reply(401, b'{"message": "A JSON web token could not be decoded"}')
        elif exchange.path != "/app/installations/34/access_tokens":
            exchange.reply(404, b'{"message": "Not Found"}')
        else:
            self.sold += 1
            end = datetime.fromtimestamp(self.clock() + self.life, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            exchange.reply(201, json.dumps({"token": f"ghs_{self.sold}", "expires_at": end}).encode())

    def _is_signed(self, header: str) -> bool:
        parts = header.removeprefix("Bearer ").split(".")
        if len(parts) != 3:
            return False
        head, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        try:
            self._key.verify(signature, f"{parts[0]}.{parts[1]}".encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        said, now = json.loads(claims), self.clock()
        timely: bool = said["iat"] <= now < said["exp"] <= said["iat"] + 600
        return timely and (said["iss"], json.loads(head)) == ("12", {"alg": "RS256", "typ": "JWT"})
