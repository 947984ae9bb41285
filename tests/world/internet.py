"""The Internet as far as the tests need one: TLS sites, go-import pages, git repositories, module proxies."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from tests.world.connect_proxy import ConnectProxy
from tests.world.go import clean_environment
from tests.world.local_http import Exchange, LocalServer


@dataclass(frozen=True)
class Page:
    """What a module path's page says to `?go-get=1`: the contents of its go-import tags, and the status."""

    go_import: tuple[str, ...]
    status: int = 200

    def html(self) -> bytes:
        """The page."""
        tags = "".join(f'<meta name="go-import" content="{each}">\n' for each in self.go_import)
        return f"<!DOCTYPE html>\n<html><head>\n{tags}</head><body>nothing here</body></html>\n".encode()


@dataclass
class Guard:
    """Who may see a private place, and what everybody else is answered."""

    authorizations: set[str]
    status: int


class Internet:
    """Every host that the tests know, behind one CONNECT proxy; any other host is refused.

    Start programs with `env()` and they live in this Internet and in no other.
    """

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.ca_file = folder / "ca.pem"
        folder.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(self.ca_file)
        self.pages: dict[str, Page] = {}
        self.repositories: dict[str, Path] = {}
        self.trees: dict[str, Path] = {}
        self.answering: dict[str, Callable[[Exchange], None]] = {}
        self.guards: dict[str, Guard] = {}
        self.redirects: dict[str, str] = {}
        self.watch: Callable[[], None] = lambda: None
        """Called at the beginning of each request, while the client that asks is still there."""
        self.authorizations: list[tuple[str, str]] = []
        """Each request that came with an Authorization: `host/path`, and its value."""
        self.proxy = ConnectProxy()
        self._site = _Site(self, authority)

    def page(self, path: str, *go_import: str, status: int = 200) -> None:
        """Let a module path's page name repositories."""
        self.pages[path] = Page(go_import, status)
        self.reach(path)

    def repository(self, name: str, folder: Path) -> None:
        """Serve a bare git repository at `https://NAME`, by git's smart protocol."""
        self.repositories[name] = folder
        self.reach(name)

    def tree(self, name: str, folder: Path) -> None:
        """Serve a folder at `https://NAME`: a module proxy, a checksum database."""
        self.trees[name] = folder
        self.reach(name)

    def answer(self, name: str, answering: Callable[[Exchange], None]) -> None:
        """Let a function answer whatever is asked of `https://NAME` and below."""
        self.answering[name] = answering
        self.reach(name)

    def protect(self, name: str, *authorizations: str, status: int = 401) -> Guard:
        """Let everything at `https://NAME` and below be for those alone who send one of these Authorizations."""
        self.guards[name] = Guard(set(authorizations), status)
        self.reach(name)
        return self.guards[name]

    def black_hole(self, *hosts: str) -> None:
        """Let connections to these hosts hang."""
        self.proxy.black_holes.update(hosts)

    def refuse(self, *hosts: str) -> None:
        """Let connections to these hosts fail at once."""
        for host in hosts:
            self.proxy.routes.pop(host, None)

    def env(self) -> Mapping[str, str]:
        """What a program needs in its environment to live in this Internet."""
        return {"HTTPS_PROXY": self.proxy.url, **self.certificates()}

    def certificates(self) -> dict[str, str]:
        """What a program needs to believe its hosts."""
        return {"SSL_CERT_FILE": str(self.ca_file), "GIT_SSL_CAINFO": str(self.ca_file)}

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 at which all of it can be reached without the proxy; the name in the handshake tells hosts."""
        return self._site.port

    @property
    def hosts_asked(self) -> set[str]:
        """Every host that a connection was asked for."""
        return self.proxy.hosts_asked()

    @property
    def requests(self) -> Sequence[str]:
        """Every request that arrived, as `METHOD host/path`."""
        return self._site.arrived

    def stop(self) -> None:
        """End it."""
        self.proxy.stop()
        self._site.stop()

    def reach(self, name: str) -> None:
        """Let a host be connected to."""
        self.proxy.routes[name.split("/", maxsplit=1)[0]] = self._site.port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Site(LocalServer):
    """One TLS server that stands for all hosts; it makes a certificate for each name it is called by."""

    def __init__(self, internet: Internet, authority: trustme.CA) -> None:
        self._internet = internet
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.arrived: list[str] = []
        context = self._context("unnamed.test")
        context.sni_callback = self._choose
        super().__init__(context)

    def _context(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(name).configure_cert(context)
            self._contexts[name] = context
        return self._contexts[name]

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = self._context(name)

    def handle(self, exchange: Exchange) -> None:
        name = exchange.host + exchange.path.rstrip("/")
        self.arrived.append(f"{exchange.method} {exchange.host}{exchange.path}")
        self._internet.watch()
        said = exchange.headers.get("authorization")
        if said is not None:
            self._internet.authorizations.append((name, said))
        for place, guard in self._internet.guards.items():
            if (name == place or name.startswith(place + "/")) and said not in guard.authorizations:
                exchange.body()
                challenge = {"WWW-Authenticate": 'Basic realm="x"'} if guard.status == 401 else {}
                exchange.reply(guard.status, b"for members only\n", challenge)
                return
        for old, new in self._internet.redirects.items():
            if name.startswith(old + "/"):
                query = f"?{exchange.query_text}" if exchange.query_text else ""
                exchange.reply(301, b"", {"Location": f"https://{new}{name.removeprefix(old)}{query}"})
                return
        if "go-get" in exchange.query and name in self._internet.pages:
            page = self._internet.pages[name]
            exchange.reply(page.status, page.html(), {"Content-Type": "text/html; charset=utf-8"})
            return
        for root, folder in self._internet.repositories.items():
            if name == root or name.startswith(root + "/"):
                _git(exchange, folder, name.removeprefix(root))
                return
        for root, folder in self._internet.trees.items():
            file = folder / name.removeprefix(root).lstrip("/")
            if name.startswith(root + "/") and file.is_file():
                exchange.reply(200, file.read_bytes())
                return
        for root, answering in self._internet.answering.items():
            if name == root or name.startswith(root + "/"):
                answering(exchange)
                return
        exchange.reply(404, b"not found: no such page\n")


def _git(exchange: Exchange, folder: Path, rest: str) -> None:
    """Answer git's smart protocol through `git http-backend`."""
    body = exchange.body()
    env = clean_environment(folder) | {
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_TRANSLATED": f"{folder}{rest}",
        "PATH_INFO": rest,
        "REQUEST_METHOD": exchange.method,
        "QUERY_STRING": exchange.query_text,
        "CONTENT_TYPE": exchange.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": exchange.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": exchange.headers.get("git-protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "uploadpack.allowFilter",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
        "GIT_CONFIG_VALUE_1": "true",
    }
    done = subprocess.run(
        ["git", "http-backend"], env=env, input=body, capture_output=True, check=False, timeout=60
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0]) if done.stdout else 500
    exchange.reply(status, content, headers)
