"""Go commands where no network is: in a namespace that has nothing but a loopback, or, where none can be made, without any way
out by their settings."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.world.go import Go
from tests.world.server import program


@functools.cache
def has_namespaces() -> bool:
    """Whether a network can be taken away from a program here."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "-rn", "ip", "link", "set", "lo", "up"], check=False).returncode == 0


def offline(developer: Go, data: Path, *commands: str, settings: Sequence[str] = ()) -> str:
    """Run go commands beside a server of the data, all in a namespace where there can be one; what they said, and where.
    Raises `AssertionError` where one fails."""
    script = "set -ex\n" + "\n".join(commands)
    argv = [
        *program("run"),
        "--data",
        str(data),
        "--upstream",
        "off",
        "--no-builtin-mirrors",
        *settings,
        "--",
        "sh",
        "-c",
        script,
    ]
    where = "no way out by the settings"
    if has_namespaces():
        where = "a network namespace"
        argv = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', *argv]
    done = subprocess.run(
        argv,
        cwd=developer.work,
        env=developer.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{done.stdout}{done.stderr}{where}\n"
