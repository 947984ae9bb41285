"""Programs that run beside this one."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from goproxy_mirror.companion import Companion
from goproxy_mirror.errors import NeedsTool
from tests.world.polling import eventually

TELLS = (
    "import os, sys; print(sorted(os.environ), os.getcwd(), os.getpgrp() == os.getpid(), flush=True); input()"
)
WAITS = "import signal; print('here', flush=True); signal.pause()"


def test_it_inherits_nothing_but_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is made, its folder given, its group its own; nothing can be typed into it."""
    monkeypatch.setenv("SECRET", "1")
    with closing(Companion([sys.executable, "-c", TELLS], tmp_path, orphaned=signal.SIGKILL)) as companion:
        eventually(lambda: companion.status() is not None, what="its end")
        said = os.read(companion.output, 65536).decode()
    assert "SECRET" not in said
    assert f"{tmp_path} True" in said
    assert "EOFError" in said


def test_its_end_is_seen_and_brought_about(tmp_path: Path) -> None:
    """A signal ends it, and so does the end of its use; a program that is not there is named."""
    first = Companion([sys.executable, "-c", WAITS], tmp_path, orphaned=signal.SIGKILL)
    assert os.read(first.output, 4) == b"here"
    assert first.status() is None
    first.tell(signal.SIGTERM)
    eventually(lambda: first.status() is not None, what="its end")
    assert first.status() == -signal.SIGTERM
    first.close()
    second = Companion([sys.executable, "-c", WAITS], tmp_path, orphaned=signal.SIGKILL)
    second.close()
    assert second.status() == -signal.SIGKILL
    with pytest.raises(NeedsTool, match="no-such-program"):
        Companion(["no-such-program"], tmp_path, orphaned=signal.SIGKILL)
