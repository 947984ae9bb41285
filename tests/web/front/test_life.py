"""What we do for a front while it runs."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from goproxy_mirror.companion import Companion
from goproxy_mirror.process import Runner
from goproxy_mirror.web.front.life import Front, FrontOptions
from goproxy_mirror.web.front.plan import Plan
from goproxy_mirror.web.listening import Address


def test_one_that_never_stops_talking(tmp_path: Path) -> None:
    """Hits that are logged faster than we can hand them on do not keep us from our other work, which is to end."""
    plan = Plan(tmp_path, tmp_path / "workers", Address("127.0.0.1", 1))
    front = Front(FrontOptions("nginx", "nginx", tmp_path, tmp_path, Runner(tmp_path)), plan, tmp_path, None)
    companion = Companion(("sleep", "1000"), tmp_path, orphaned=signal.SIGKILL)
    companion.output = os.open("/dev/zero", os.O_RDONLY)
    front._companion = companion
    acting = threading.Thread(target=front.attend, daemon=True)
    acting.start()
    acting.join(20)
    ended = not acting.is_alive()
    front.close()
    os.close(companion.output)
    assert ended
