"""Programs that run for the user: in the same terminal, folder and environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from goproxy_mirror.errors import NeedsTool
from goproxy_mirror.process import foreground

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sh")


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 137)]
)
async def test_exit_status(script: str, status: int) -> None:
    """The status is the program's, or 128 and the signal that ended it."""
    assert await foreground(["sh", "-c", script], {}) == status


async def test_environment_is_added_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program sees this process's environment, with what was added."""
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("GOPROXY", "old")
    assert await foreground(["sh", "-c", 'test "$KEPT $GOPROXY" = "kept new"'], {"GOPROXY": "new"}) == 0
    assert os.environ["GOPROXY"] == "old"


async def test_no_such_program(tmp_path: Path) -> None:
    """A program that is not there, or is no program, is said to be needed."""
    (tmp_path / "text").touch()
    for program in (tmp_path / "missing", tmp_path / "text"):
        with pytest.raises(NeedsTool, match="could not be started"):
            await foreground([str(program)], {})


async def test_cancelled() -> None:
    """Who waits no longer leaves nothing running."""
    running = asyncio.create_task(foreground(["sh", "-c", "echo $$ >&2; exec sleep 60"], {}))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_handed_on(number: signal.Signals) -> None:
    """A signal that is meant for the program reaches it, and it decides what to do."""
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo caught; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    code = (
        "import asyncio, sys; from goproxy_mirror.process import foreground; "
        f"sys.exit(asyncio.run(foreground(['sh', '-c', {script!r}], {{}})))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        started.send_signal(number)
        assert started.stdout.read() == "caught\n"
        assert started.wait(20) == 9


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal of its own")
def test_keys_reach_the_program_once() -> None:
    """Ctrl-C at a terminal goes to the program by the terminal's own way, and not a second time by ours."""
    import pty

    script = (
        "trap 'seen=1; echo caught' INT; echo ready; "
        'while [ -z "$seen" ]; do sleep 0.05; done; sleep 0.3; echo done'
    )
    code = (
        "import asyncio, sys; from goproxy_mirror.process import foreground; "
        f"sys.exit(asyncio.run(foreground(['sh', '-c', {script!r}], {{}})))"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    typed = False
    with contextlib.suppress(OSError):  # how a terminal says that its last program has ended
        while more := os.read(terminal, 1024):
            said += more
            if b"ready" in said and not typed:
                typed = True
                os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert said.count(b"caught") == 1
