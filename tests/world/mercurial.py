"""Mercurial for the tests: installed by the project's own script, and serving repositories."""

from __future__ import annotations

import functools
import http.client
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from tests.world.folders import cache_folder
from tests.world.go import clean_environment
from tests.world.internet import Internet
from tests.world.local_http import Exchange
from tests.world.polling import eventually
from tests.world.server import free_port

_SCRIPT = Path(__file__).parents[2] / "scripts/install-hg"
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


@functools.cache
def mercurial() -> Path | str:
    """The folder that `hg` is in; where it cannot be installed, a sentence that says so."""
    folder = cache_folder() / "hg"
    with FileLock(cache_folder() / "hg.lock"):
        done = subprocess.run([str(_SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    return (
        f"Mercurial cannot be installed here: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    )


class HgServer:
    """Serves the repositories of a folder at `https://NAME/…` of the tests' Internet, by Mercurial's own server."""

    def __init__(self, programs: Path, folder: Path, internet: Internet, name: str) -> None:
        self._port = free_port()
        config = folder.with_name(f"{folder.name}.hgweb")
        config.write_text(f"[paths]\n/ = {folder}/*\n[web]\nallow_archive = zip\n")
        self._command = [
            *(str(programs / "hg"), "serve", "--webdir-conf", str(config)),
            *("--address", "127.0.0.1", "--port", str(self._port)),
        ]
        self._folder = folder
        self._name = name
        internet.answer(name, self._forward)

    def __enter__(self) -> Self:
        environment = clean_environment(self._folder.parent) | {"HGRCPATH": ""}
        self._process = subprocess.Popen(
            self._command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers, what="an answer of hg serve")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _forward(self, exchange: Exchange) -> None:
        """Pass a request on to Mercurial's server, and its answer back."""
        path = exchange.raw_path.removeprefix("/" + self._name.partition("/")[2])
        query = f"?{exchange.query_text}" if exchange.query_text else ""
        headers = {name: value for name, value in exchange.headers.items() if name not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(exchange.method, path + query, exchange.body(), headers)
            answer = connection.getresponse()
            body = answer.read()
            said = {n: value for n, value in answer.getheaders() if n.lower() not in _HOP_BY_HOP}
            exchange.reply(answer.status, body, said)
        finally:
            connection.close()
