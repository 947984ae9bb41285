"""The load balancer of `deploy/several-nodes`: whoever answers, and what they say."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from goproxy_mirror.wiring.front import program_of
from tests.test_deploy import DEPLOY
from tests.world.nodes import ask
from tests.world.polling import eventually
from tests.world.server import fetch, free_port

NGINX = program_of("nginx")
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]

_MAIN = """\
daemon off; pid {folder}/pid; error_log stderr warn; worker_processes 1; events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/balancer.conf;
}}
"""


class Node:
    """Answers each request with its path's status; or takes it and says nothing."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self.asked: Counter[str] = Counter()
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked[path] += 1
        if self._silent:
            await reader.read()
        else:
            body = path.encode()
            status = path.rpartition("/")[2]
            head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()


async def test_whichever_node_answers(tmp_path: Path) -> None:
    """One node is gone and one is silent: clients get the third one's answers, and its failures are handed on as they are."""
    good, silent, gone = Node(silent=False), Node(silent=True), free_port()
    port = free_port()
    async with good.running(), silent.running():
        text = (DEPLOY / "several-nodes/nginx.conf").read_text()
        for name, there in (("node1", gone), ("node2", silent.port), ("node3", good.port)):
            assert f"{name}:8081" in text
            text = text.replace(f"{name}:8081", f"127.0.0.1:{there}")
        text = text.replace("listen 8081;", f"listen 127.0.0.1:{port};").replace(" 120s;", " 1s;")
        (tmp_path / "balancer.conf").write_text(text)
        (tmp_path / "nginx.conf").write_text(_MAIN.format(folder=tmp_path))
        nginx = subprocess.Popen([str(NGINX), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
        try:

            def up() -> bool:
                try:
                    return fetch(port, "/up/200").status == 200
                except OSError:
                    return False

            await asyncio.to_thread(eventually, up)
            paths = [f"/x.test/!m/@v/{n}%2f/200" for n in range(30)] + ["/a/503", "/b/502", "/c/404"]
            answers = await asyncio.gather(*(ask(port, path) for path in paths))
            assert [(status, body.decode()) for status, body in answers] == [
                (int(path[-3:]), path) for path in paths
            ]
            assert set(good.asked.values()) == {1}
            assert silent.asked
        finally:
            nginx.terminate()
            await asyncio.to_thread(nginx.wait, 20)
