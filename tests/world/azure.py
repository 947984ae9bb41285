"""Azure Blob Storage for the tests: Microsoft's emulator, installed by the project's own script, with a container of its own."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import secrets
import subprocess
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from tests.world.folders import cache_folder
from tests.world.go import clean_environment
from tests.world.polling import eventually
from tests.world.server import fetch, free_port

_SCRIPT = Path(__file__).parents[2] / "scripts/install-azure"
CONTAINER = "modules"
_ACCOUNT = "tests"
_VERSION = "2021-08-06"


@functools.cache
def azure_server() -> Path | str:
    """The program; where it cannot be installed, a sentence that says so."""
    folder = cache_folder() / "azure"
    if os.environ.get("GOPROXY_MIRROR_TESTS_OFFLINE") == "1" and not (folder / ".ready").exists():
        return "Azurite is not installed here, and nothing may be fetched (GOPROXY_MIRROR_TESTS_OFFLINE)"
    with FileLock(cache_folder() / "azure.lock"):
        done = subprocess.run([str(_SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    return (
        f"Azurite cannot be installed here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    )


class AzureServer:
    """The emulator on a free port of the loopback."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def env(self) -> dict[str, str]:
        """What a client of it has in its environment."""
        return {"AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": self._key}

    @property
    def options(self) -> dict[str, str]:
        """How a store is told of it."""
        return {"endpoint": f"http://127.0.0.1:{self.port}/{_ACCOUNT}"}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [
                *(str(self._program), "--silent", "--disableTelemetry", "--skipApiVersionCheck"),
                *("--location", str(self._folder), "--blobHost", "127.0.0.1", "--blobPort", str(self.port)),
            ],
            env=clean_environment(self._folder)
            | {"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{self._key}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(self._made, what="a container of Azurite")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _made(self) -> bool:
        """Make the container, as the rules of Shared Key say."""
        date = formatdate(usegmt=True)
        path = f"/{_ACCOUNT}/{CONTAINER}"
        signed = (
            "PUT"
            + "\n" * 12
            + f"x-ms-date:{date}\nx-ms-version:{_VERSION}\n/{_ACCOUNT}{path}\nrestype:container"
        )
        digest = hmac.digest(base64.b64decode(self._key), signed.encode(), hashlib.sha256)
        headers = {
            "x-ms-date": date,
            "x-ms-version": _VERSION,
            "Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(digest).decode()}",
            "Content-Length": "0",
        }
        try:
            return fetch(self.port, f"{path}?restype=container", headers, method="PUT").status in {201, 409}
        except OSError:
            return False
