"""What comes back: an answer in memory or on disk; its size, and compression that nobody asked for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pyreqwest.response import Response

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.transport.urls import Target


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in memory. Header names are lower case; `url` is the last hop's; `whole` False: cut at the
    limit; `credential` names what was sent along with the last hop's request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    whole: bool = True
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """An answer on disk. `size` in bytes; where `status` is not 200 nothing was written and `body` holds its
    beginning."""

    status: int
    headers: Mapping[str, str]
    size: int
    url: str
    body: bytes = b""
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the last hop's answer; the body is still to be read."""

    response: Response
    target: Target
    credential: str | None


def names(response: Response) -> dict[str, str]:
    """Headers by lower-case name; those that came several times are joined as RFC 9110 §5.2 has it."""
    names: dict[str, str] = {}
    for name, value in response.headers.items():
        names[name.lower()] = f"{names[name.lower()]}, {value}" if name.lower() in names else value
    return names


def too_large(target: Target, limit: int) -> SourceUnavailable:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
    return SourceUnavailable(f"{target.shown} is larger than {size}, which is as much as is taken here")


def refuse_announced(response: Response, target: Target, limit: int) -> None:
    length = response.get_header("content-length") or ""
    if length.isascii() and length.isdigit() and int(length) > limit:
        raise too_large(target, limit)


def encoded(names: Mapping[str, str]) -> bool:
    return names.get("content-encoding", "").strip().lower() not in {"", "identity"}


def decoded(
    body: bytes, names: Mapping[str, str], target: Target, *, limit: int, cut: bool
) -> tuple[bytes, bool]:
    """Some servers compress unasked (files that lie compressed in an object store). Never more than the
    limit."""
    if names["content-encoding"].strip().lower() not in {"gzip", "x-gzip"}:
        raise SourceUnavailable(f"{target.shown} answered compressed, which was not asked for")
    plain = bytearray()
    whole = False
    try:
        while body and len(plain) <= limit:
            member = zlib.decompressobj(wbits=31)
            plain += member.decompress(body, limit + 1 - len(plain))
            whole = member.eof
            if not whole:
                break
            body = member.unused_data
    except zlib.error as error:
        raise SourceUnavailable(f"{target.shown} answered with broken compression: {error}") from None
    if not cut and len(plain) > limit:
        raise too_large(target, limit)
    if not cut and not whole:
        raise SourceUnavailable(f"{target.shown} answered with compressed data that ends too early")
    return bytes(plain[:limit]), whole and len(plain) <= limit
