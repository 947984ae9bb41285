"""The way past the event loop: what was just sent is sent again also while the loop is busy."""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
from pathlib import Path

import pytest
from granian import _futures

from goproxy_mirror.web.shortcut import answering_at_once
from tests.fakes.serve import LASTING_KEY, PID_KEY, PIPE, STUCK_KEY
from tests.web.test_server import Serving


def _ask(serving: Serving, key: str) -> socket.socket:
    client = serving.connect()
    client.sendall(f"GET /{key} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_hit_needs_no_event_loop(tmp_path: Path) -> None:
    """A hit is answered while the event loop stands still, and nothing else is."""
    serving = Serving(tmp_path / "server", workers=1)
    os.mkfifo(serving.folder / PIPE)
    try:
        for _ in range(2):
            assert serving.get(f"/{LASTING_KEY}") == b"module x.test/lasting\n"
        with (
            _ask(serving, STUCK_KEY) as stuck,
            (serving.folder / PIPE).open("wb") as pipe,  # opens once somebody reads
            _ask(serving, PID_KEY) as other,
        ):
            assert serving.get(f"/{LASTING_KEY}") == b"module x.test/lasting\n"
            assert select.select([stuck, other], [], [], 0)[0] == []
            pipe.write(b"!")
            pipe.close()
            assert other.recv(1000).startswith(b"HTTP/1.1 200")
            assert stuck.recv(1000).startswith(b"HTTP/1.1 200")
    finally:
        serving.end()


class Watcher:
    """A request as it is handed over."""

    scope, proto = "scope", "proto"


def test_what_is_not_answered_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does what could not be answered because of an error."""
    gone_on: list[object] = []
    monkeypatch.setattr(_futures, "_cbsched_aioschedule", lambda *_: gone_on.append)
    answers: list[bool | Exception] = [True, False, RuntimeError("closed")]

    def answer(scope: object, proto: object) -> bool:
        assert (scope, proto) == ("scope", "proto")
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    answering_at_once(answer)
    schedule = _futures._cbsched_aioschedule(None, None, None)  # type: ignore[no-untyped-call]
    watchers = [Watcher() for _ in answers]
    for each in watchers:
        schedule(each)
    assert gone_on == watchers[1:]


def test_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that hands requests over in another way, with more or other things, still gets all of them."""
    gone_on: list[tuple[object, ...]] = []
    monkeypatch.setattr(_futures, "_cbsched_aioschedule", lambda *_: lambda *handed: gone_on.append(handed))
    answering_at_once(lambda _scope, _wire: True)
    schedule = _futures._cbsched_aioschedule(None, None, None)  # type: ignore[no-untyped-call]
    schedule("scope", "proto")
    schedule()
    assert gone_on == [("scope", "proto"), ()]


@pytest.mark.parametrize("missing", ["name", "module"])
def test_no_place_for_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A version of the server below that has no place for it serves all the same, and the log says what is missing."""
    if missing == "name":
        monkeypatch.delattr(_futures, "_cbsched_aioschedule")
    else:
        monkeypatch.setitem(sys.modules, "granian._futures", None)
    with caplog.at_level(logging.INFO):
        answering_at_once(lambda _scope, _wire: True)
    assert "through the event loop" in caplog.text
