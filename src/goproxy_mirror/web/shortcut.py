"""A way past the event loop, for answers that need none.

Granian (2.8) receives a request on a thread of its own, and there makes a task of it in the event loop of another: the two
threads wake each other, and hand the interpreter's lock over. That is a third of what a hit costs, so what can be answered at
once is answered on the thread that brings it. Granian has no official place for this. Where the one that is used here is gone,
every request goes through the event loop, which answers the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from goproxy_mirror.web.wire import Scope, Wire

log = logging.getLogger(__name__)

AnswerAtOnce = Callable[[Scope, Wire], bool]
_MODULE = "granian._futures"
_PLACE = "_cbsched_aioschedule"
"""Makes the function to which a request is handed: for a loop, its context, and the application."""


def answering_at_once(answer: AnswerAtOnce) -> None:
    """Have `answer` asked first about every request of this process, outside the event loop; where it says False, or fails,
    the request goes on as ever. For a worker process, before it serves."""
    try:
        module = import_module(_MODULE)
    except ImportError:
        module = None
    make = getattr(module, _PLACE, None)
    if not callable(make):
        log.info("every hit goes through the event loop: this version of Granian offers no way past it")
        return

    def made(*arguments: Any, **named: Any) -> Any:
        return _with_shortcut(answer, make(*arguments, **named))

    setattr(module, _PLACE, made)


def _with_shortcut(answer: AnswerAtOnce, long_way: Callable[..., Any]) -> Callable[..., Any]:
    def schedule(*handed: Any) -> Any:
        try:
            watcher = handed[0]
            if answer(watcher.scope, watcher.proto):
                return None
        except Exception:
            log.debug("not answered at once", exc_info=True)
        return long_way(*handed)

    return schedule
