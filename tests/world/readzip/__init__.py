"""Go's own reader of zips, as a program that is asked again and again (`main.go`)."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import subprocess
from pathlib import Path

from tests.world.go import Go

Files = list[tuple[bytes, bytes]]
"""Names and SHA-256 digests of contents, in the archive's order."""


class GoReader:
    """What Go reads. The program is built in a folder, and runs until `close`."""

    def __init__(self, folder: Path) -> None:
        go = Go(folder / "go", goproxy="off")
        program = folder / "readzip"
        source = Path(__file__).with_name("main.go")
        go.run("build", "-o", str(program), str(source), cwd=folder).ok()
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, data: bytes) -> Files | None:
        """What is in a zip; None where Go reads none, or not to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(struct.pack(">L", len(data)) + data)
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if said["Error"]:
            return None
        return [(base64.b64decode(each["Name"]), base64.b64decode(each["Sha256"])) for each in said["Files"]]

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def digest(content: bytes) -> bytes:
    """As in `Files`."""
    return hashlib.sha256(content).digest()
