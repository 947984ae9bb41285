"""Small git repositories, made by hand, and a server that gives them over HTTPS."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import trustme

START = 1_700_000_000
"""The committer's time of a repository's first commit; each next one is an hour later."""

Files = Mapping[str, bytes | str | tuple[str, bytes | str]]

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@x.test",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@x.test",
}


class Repo:
    """A bare repository that grows commit by commit; nothing is ever checked out."""

    def __init__(self, folder: Path, *, form: str = "sha1") -> None:
        self.folder = folder
        self.form = form
        self.time = START
        folder.mkdir(parents=True)
        self.git("init", "-q", "--bare", "--template=", "-b", "main", f"--object-format={form}", ".")

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def git(self, *arguments: str, stdin: bytes | str = b"", env: Mapping[str, str] | None = None) -> str:
        """Run a git command here; what it prints."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**_ENVIRONMENT, **(env or {})},
            input=data,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def blob(self, data: bytes | str) -> str:
        """Store bytes; their id. Written by hand, since a process for each would take most of a test's time."""
        body = data.encode() if isinstance(data, str) else data
        whole = b"blob %d\0" % len(body) + body
        oid = hashlib.new(self.form, whole).hexdigest()
        path = self.folder / "objects" / oid[:2] / oid[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(whole, 1))
        return oid

    def tree(self, files: Files) -> str:
        """Store a tree. A value is the bytes of a file, or (mode, bytes), or for a gitlink (mode, id)."""
        lines = []
        for path, value in files.items():
            mode, data = value if isinstance(value, tuple) else ("100644", value)
            oid = str(data) if mode == "160000" else self.blob(data)
            lines.append(f"{mode} {oid}\t{path}\0".encode("utf-8", "surrogateescape"))
        index = {"GIT_INDEX_FILE": str(self.folder / "made-index")}
        self.git("read-tree", "--empty", env=index)
        self.git("update-index", "-z", "--add", "--index-info", stdin=b"".join(lines), env=index)
        return self.git("write-tree", env=index)

    def commit(
        self,
        files: Files | None = None,
        *,
        branch: str = "main",
        tags: tuple[str, ...] = (),
        parent: str | None = None,
        date: str | None = None,
    ) -> str:
        """Commit a tree of exactly these files on top of a branch (or of `parent`); the commit's id."""
        tree = self.tree({"a.txt": f"{self.time}\n"} if files is None else files)
        if parent is None and self.git("for-each-ref", f"refs/heads/{branch}"):
            parent = self.git("rev-parse", f"refs/heads/{branch}")
        stamp = date or f"@{self.time} +0000"
        self.time += 3600
        parents = ["-p", parent] if parent else []
        env = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": stamp}
        commit = self.git("commit-tree", tree, *parents, "-m", "c", env=env)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        for tag in tags:
            self.git("update-ref", f"refs/tags/{tag}", commit)
        return commit

    def annotate(self, tag: str, oid: str, kind: str = "commit") -> str:
        """An annotated tag on an object; the tag's own id."""
        body = f"object {oid}\ntype {kind}\ntag {tag}\ntagger T <t@x.test> {self.time} +0000\n\nm\n"
        made = self.git("hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=body)
        self.git("update-ref", f"refs/tags/{tag}", made)
        return made


@dataclass
class Served:
    """What a server of repositories does. `answers` turns a request (its path with query) into a status, headers and
    a body, or into None to let git answer. `requests` are the answered paths with their bodies."""

    root: Path
    base: str = ""
    config: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    answers: Callable[[str], tuple[int, Mapping[str, str], bytes] | None] = lambda _: None
    before: Callable[[str], None] = lambda _: None
    drop_protocol: bool = False
    """As some servers in between do: no client's wish for version 2 comes through."""
    dumb: bool = False
    """A server of plain files."""
    allowed: set[str] | None = None
    """The Authorizations that are let in; None: everybody is."""
    authorizations: list[str | None] = field(default_factory=list)
    """The Authorization of each request."""

    def posts(self, word: bytes) -> list[bytes]:
        """The bodies of requests to git-upload-pack that hold a word."""
        return [body for path, body in self.requests if path.endswith("/git-upload-pack") and word in body]


@contextmanager
def serve(root: Path, authority: trustme.CA | None = None, name: str = "127.0.0.1") -> Iterator[Served]:
    """Serve the repositories below a folder over HTTP, or over HTTPS with a certificate of an authority."""
    served = Served(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._do(b"")

        def do_POST(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers["Content-Length"]))
            self._do(body)

        def _do(self, body: bytes) -> None:
            plain = body
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                plain = gzip.decompress(body)
            served.requests.append((self.path, plain))
            said = self.headers.get("Authorization")
            served.authorizations.append(said)
            served.before(self.path)
            answer = served.answers(self.path)
            if served.allowed is not None and said not in served.allowed:
                answer = 401, {"WWW-Authenticate": 'Basic realm="x"'}, b"for members only"
            status, headers, data = answer if answer is not None else self._git(body)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _git(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            path, _, query = self.path.partition("?")
            if served.dumb:
                file = served.root / unquote(path).lstrip("/")
                return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")
            pairs = served.config
            env = {
                **_ENVIRONMENT,
                "GIT_PROJECT_ROOT": str(served.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": unquote(path),
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": "" if served.drop_protocol else self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
                "GIT_CONFIG_COUNT": str(len(pairs)),
            }
            for index, (key, value) in enumerate(pairs.items()):
                env |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
            done = subprocess.run(
                ["git", "http-backend"], env=env, input=body, capture_output=True, check=False
            )
            head, _, data = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            status = int(headers.pop("Status", "200").split()[0])
            return status, headers, data

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that goes away in the middle is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    served.base = f"{scheme}://{name}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
