"""A program that runs beside this one for as long as it does: what `process.py` is to programs that do one thing and end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from goproxy_mirror.errors import NeedsTool


class Companion:
    """A program that runs beside this one, in a process group of its own, until one of the two ends.

    `folder` is where it works and its HOME; it inherits nothing but PATH. `orphaned` is the signal that it gets when this
    process is killed (on Linux; start it from the main thread). What it says comes out of the descriptor `output`.
    Raises `NeedsTool` where there is no such program.
    """

    def __init__(self, argv: Sequence[str], folder: Path, *, orphaned: int) -> None:
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        env |= dict.fromkeys(("HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
        prepare = partial(_share_the_end, _prctl(), orphaned) if sys.platform == "linux" else None
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare,  # noqa: PLW1509 - started while no other thread of ours holds a lock
                process_group=0,
            )
        except OSError as error:
            raise NeedsTool(f"{argv[0]} could not be started: {error.strerror}") from error
        assert self._process.stdout is not None
        self.output = self._process.stdout.fileno()

    def status(self) -> int | None:
        """The exit status of a program that has ended; a negative number is the signal that ended it."""
        return self._process.poll()

    def tell(self, number: int) -> None:
        """Send a signal, where it still runs."""
        self._process.send_signal(number)

    def close(self) -> None:
        """Kill what is left of it and of all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _prctl() -> Callable[[int, int], int]:
    import ctypes  # noqa: PLC0415 - a companion's start alone needs it

    call = ctypes.CDLL(None, use_errno=True).prctl
    call.argtypes = (ctypes.c_int, ctypes.c_ulong)
    return cast("Callable[[int, int], int]", call)


def _share_the_end(prctl: Callable[[int, int], int], number: int) -> None:
    """Runs between fork and exec: a parent's death becomes a signal (PR_SET_PDEATHSIG), and no signal is held back."""
    prctl(1, number)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
