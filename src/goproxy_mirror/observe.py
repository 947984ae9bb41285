"""Names of what can be observed, and the context that a request carries through the rooms."""

from __future__ import annotations

from contextvars import ContextVar

hops: ContextVar[tuple[str, ...]] = ContextVar("hops", default=())
"""The `Via` entries of the request that caused the present work, oldest first; sent on to upstream proxies (RFC 9110 §7.6.3)."""
