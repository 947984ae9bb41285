"""The other Go module proxies, built at pinned versions through the machine's ordinary Go settings.

    bench/peers             builds what is not built yet, and prints what there is

What cannot be had is said, and left out of the measurements. Nothing of them is part of this repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.kept import kept_folder
from tests.world.go import go_binary


@dataclass(frozen=True)
class Pinned:
    """A program that `go install` makes: `program` is the name of the file it leaves."""

    name: str
    package: str
    version: str
    program: str


PEERS = (
    Pinned("goproxy", "github.com/goproxy/goproxy/cmd/goproxy", "v0.26.1", "goproxy"),
    Pinned("athens", "github.com/gomods/athens/cmd/proxy", "v0.18.1", "proxy"),
    Pinned("goproxyio", "github.com/goproxyio/goproxy/v2", "v2.0.7", "goproxy"),
)

INSTALLED = ("nginx", "caddy", "wrk")
"""Programs that are used where the system has them."""


def built(name: str) -> Path | None:
    """The program of a peer, if `bench/peers` could build it."""
    pinned = next(each for each in PEERS if each.name == name)
    program = _place(pinned) / pinned.program
    return program if program.exists() else None


def version_of(name: str) -> str:
    """What a peer is pinned to, or what an installed program says of itself."""
    for each in PEERS:
        if each.name == name:
            return each.version
    argument = {"nginx": "-v", "caddy": "version", "wrk": "-v"}[name]
    done = subprocess.run([name, argument], capture_output=True, check=False, text=True)
    return next((word for word in (done.stdout + done.stderr).split() if any(c.isdigit() for c in word)), "?")


def _place(pinned: Pinned) -> Path:
    return kept_folder("peers") / f"{pinned.name}-{pinned.version}"


def build(pinned: Pinned) -> str:
    """Build a peer; what hindered it, or nothing."""
    if built(pinned.name):
        return ""
    place = _place(pinned)
    env = dict(os.environ) | {
        "GOBIN": str(place),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-modcacherw -trimpath",
        "GOMODCACHE": str(kept_folder("peers") / "modcache"),
        "CGO_ENABLED": "0",
    }
    command = [str(go_binary()), "install", f"{pinned.package}@{pinned.version}"]
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=kept_folder("peers"),
            capture_output=True,
            check=False,
            text=True,
            timeout=900,
        )
    except subprocess.TimeoutExpired:
        return "go install did not end within 15 minutes"
    # Which registry said it is this machine's business.
    said = [line.split("reading http")[0].strip(": \t") for line in done.stderr.splitlines() if line.strip()]
    answer = next((line for line in said if line.startswith("server response:")), "")
    return (
        "" if done.returncode == 0 else " ".join((said[0] if said else "go install failed", answer)).strip()
    )


def main() -> int:
    missing = 0
    for pinned in PEERS:
        hindrance = build(pinned)
        missing += bool(hindrance)
        print(
            f"{pinned.name:10} {pinned.version:9} {'cannot be had: ' + hindrance if hindrance else 'built'}"
        )
    for name in INSTALLED:
        print(f"{name:10} {version_of(name) + '  installed' if shutil.which(name) else 'not installed'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
