"""The part of RSGI 1.6 that is used here (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md).

What each call does beyond the specification was tried: `response_file` sends no Content-Length of its own, bounds of
`response_file_range` are trusted (the second is exclusive), and nothing cancels a handler whose client has left.
"""

from __future__ import annotations

from typing import Protocol


class WireHeaders(Protocol):
    """A request's headers; names are lower-case, and values that are not ASCII are left out."""

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """What is known of a request before its body: `path` is percent-decoded once and otherwise as it came."""

    @property
    def http_version(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def authority(self) -> str | None: ...
    @property
    def headers(self) -> WireHeaders: ...


class Wire(Protocol):
    """The way back to the client; each `response_*` returns at once, and may be called once."""

    async def client_disconnect(self) -> None: ...

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None: ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None: ...

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None: ...
