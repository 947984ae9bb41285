"""Names of what can be observed, and the context that a request carries through the rooms."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar

import structlog

hops: ContextVar[tuple[str, ...]] = ContextVar("hops", default=())
"""The `Via` entries of the request that caused the present work, oldest first; sent on to upstream proxies (RFC 9110 §7.6.3)."""

progress: ContextVar[Callable[[], None] | None] = ContextVar("progress", default=None)
"""Who wants to know that the present work goes on; None: nobody."""


unasked: ContextVar[bool] = ContextVar("unasked", default=False)
"""Whether the present work is for nobody yet, but for who may ask next."""


def going_on() -> None:
    """Something that the present work waits for has arrived."""
    tell = progress.get()
    if tell is not None:
        tell()


def start_log(level: str, form: str) -> None:
    """Log to stderr from now on: `form` is `console` for people or `json` for machines. Once per process."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # What libraries say goes the same way.
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processor=renderer)
    handler.setFormatter(formatter)
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
