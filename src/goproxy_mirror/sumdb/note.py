"""Signed notes, and the keys that they are verified with (golang.org/x/mod/sumdb/note).

    any text of whole lines

    — name base64(first four bytes of the key's hash, Ed25519 signature of the text)
    — another …

A verifier key is `name+hash+base64(1, public key)`; its hash is the first four bytes, in hexadecimal, of the SHA-256 of the
name, a newline, and what the base64 holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from goproxy_mirror.errors import SecurityError, SettingError

KNOWN_KEYS = {"sum.golang.org": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"}
"""The keys that need not be said, by the database's name (cmd/go/internal/modfetch, knownGOSUMDB)."""

SAME_DATABASE = {"sum.golang.google.cn": "sum.golang.org"}
"""Hosts that are not databases of their own, by what they are another way to."""

MOST_BYTES = 1_000_000
MOST_SIGNATURES = 100

_ED25519 = b"\x01"
_KEY_HASH = re.compile(r"[0-9a-fA-F]{8}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH = "— "


class Malformed(ValueError):
    """The text is none of a checksum database: a login page, a cut answer, rubbish. Says nothing of who signed what."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signatures are believed: the signer's name, and the public key."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that `name+hash+key` says, or the known key of that name. Raises `SettingError`."""
        text = SAME_DATABASE.get(text.strip(), text.strip())
        name, plus, rest = KNOWN_KEYS.get(text, text).partition("+")
        digits, _, packed = rest.partition("+")
        if not plus:
            raise SettingError(
                f'"{_short(text)}" is no key of a checksum database, and none is known by that name: allowed is NAME+HASH+KEY, '
                f"as the database's operator publishes it; known is {', '.join(KNOWN_KEYS)}"
            )
        key = unbase64(packed)
        if not _is_name(name) or not _KEY_HASH.fullmatch(digits) or not key:
            raise SettingError(
                f'"{_short(text)}" is no key of a checksum database: allowed is NAME+HASH+KEY, where HASH has 8 hexadecimal '
                "digits and KEY is base64"
            )
        if bytes.fromhex(digits) != _key_hash(name, key):
            raise SettingError(
                f'the key of the checksum database "{_short(name)}" does not fit its hash {digits}: a character of the two is '
                "wrong or missing"
            )
        if key[:1] != _ED25519 or len(key) != 33:
            raise SettingError(
                f'the key of the checksum database "{_short(name)}" is of an unknown kind: allowed is Ed25519'
            )
        return cls(name, key[1:])

    @property
    def hash(self) -> bytes:
        """Four bytes that name the key in a signature."""
        return _key_hash(self.name, _ED25519 + self.public)

    def has_signed(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, of this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        packed = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.hash.hex()}+{packed}"


def open_note(message: bytes, keys: Collection[VerifierKey]) -> bytes:
    """The text of a note that at least one of the keys has signed; signatures by other keys say nothing.

    Raises `Malformed`, and `SecurityError` for a note with no signature by a given key, or with a wrong one.
    """
    text, lines = _split(message)
    by_name = {(key.name, key.hash): key for key in keys}
    seen = set()
    for line in lines:
        name, _, packed = line.removeprefix(_DASH).partition(" ")
        raw = unbase64(packed)
        if not line.startswith(_DASH) or not _is_name(name) or raw is None or len(raw) < 5:
            raise Malformed("a line of its signatures is none")
        who = name, raw[:4]
        key = by_name.get(who)
        if key is None or who in seen:
            continue
        if not key.has_signed(text, raw[4:]):
            raise SecurityError(f"the signature by {name}+{raw[:4].hex()} is wrong")
        seen.add(who)
    if not seen:
        raise SecurityError("it is not signed by the database's key")
    return text


def _split(message: bytes) -> tuple[bytes, list[str]]:
    """The text with its last newline, and the signature lines."""
    if len(message) > MOST_BYTES:
        raise Malformed(f"it has more than {MOST_BYTES} bytes")
    try:
        decoded = message.decode()
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None
    if _CONTROL.search(decoded):
        raise Malformed("it has a control character")
    text, blank, signatures = decoded.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise Malformed("it is no signed note")
    lines = signatures[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Malformed(f"it has more than {MOST_SIGNATURES} signatures")
    return f"{text}\n".encode(), lines


def unbase64(text: str) -> bytes | None:
    """What the base64 of the standard alphabet holds, padding included; None for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _key_hash(name: str, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]


def _is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(char.isspace() for char in text)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"
