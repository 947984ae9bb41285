"""The HTTP client's exceptions, said as ours.

What a failure means hangs on how far the exchange came: no connection is `Unreachable`, a deadline after that
`SourceTimeout`, anything else `SourceUnavailable`. The client tells its phases only in the texts of its
causes.
"""

from __future__ import annotations

from pyreqwest.exceptions import (
    BuilderError,
    ConnectTimeoutError,
    DecodeError,
    DetailedPyreqwestError,
    RequestTimeoutError,
)

from goproxy_mirror.errors import SourceTimeout, SourceUnavailable, Unreachable
from goproxy_mirror.transport.urls import Target

_CONNECTING = "client error (Connect)"
_SENDING = "client error (SendRequest)"


def _causes(error: DetailedPyreqwestError) -> list[str]:
    return [cause["message"] for cause in (error.details.get("causes") or [])]


def broke_before_answer(error: Exception) -> bool:
    """Whether a connection (often one kept from an earlier request) ended before a byte of the answer had
    come."""
    if not isinstance(error, DetailedPyreqwestError) or isinstance(error, DecodeError | RequestTimeoutError):
        return False
    return _SENDING in _causes(error)


def translated(error: DetailedPyreqwestError, target: Target, *, connect_timeout: float) -> SourceUnavailable:
    """The exception to raise instead."""
    causes = _causes(error)
    reason = causes[-1] if causes else error.message
    source = f"{target.scheme}://{target.authority}"
    if isinstance(error, ConnectTimeoutError):
        message = f"could not connect to {target.authority} within {connect_timeout:g} s"
        return Unreachable(message, host=target.authority, source=source)
    if _CONNECTING in causes:
        if "peer certificate" in reason:
            reason += "; if a private authority signed it, name that with --ca-file"
        message = f"could not connect to {target.authority}: {reason}"
        return Unreachable(message, host=target.authority, source=source)
    if isinstance(error, RequestTimeoutError):
        return SourceTimeout(f"{target.shown} did not answer in time", source=source)
    if isinstance(error, BuilderError):
        return SourceUnavailable(f"{target.shown} cannot be asked: {reason}", source=source)
    return SourceUnavailable(f"{target.shown} gave no whole answer: {reason}", source=source)
