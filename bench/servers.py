"""The servers that are compared: how each is started, over an upstream or over files.

* `ours`: this program, one worker, its defaults: every file is proven by the upstream's checksum database.
* `ours, unproven`: the same with GOSUMDB=off, which is how the peers work by default (in the cold measures only).
* `goproxy`, `athens`, `goproxyio`: the peers, where `bench/peers` could build them.
* `nginx`, `caddy`: the same files from a web server, where the system has it.
* `go command`, `go fetch`: stand-ins for the peers in the cold measures and for lists (`gofetch/`): what Athens does for each new
  version (an empty module cache and a go command), and what goproxy/goproxy does (.info, .mod and .zip over HTTP).
* `behind nginx`, `behind caddy`: this program with that front (`serve --front`).
* `go files`: the same files from Go's own HTTP server, and nothing else: no proxy that is written in Go can beat it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import peers
from bench.filled import SUMDB
from bench.kept import kept_folder
from bench.processes import Process, python
from bench.upstream import Upstream
from goproxy_mirror.wiring.front import program_of
from tests.world.go import go_binary
from tests.world.server import free_port

_START = 60.0


@dataclass(frozen=True)
class Launch:
    """A command line with its environment, and a path that answers when the server is ready."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/"


@dataclass(frozen=True)
class Place:
    """Where a server runs: its own folder and port, and the upstream that it asks."""

    folder: Path
    port: int
    upstream: str
    tree: Path
    vkey: str


Make = Callable[[Place], Launch]


def _ours(place: Place, *more: str) -> Launch:
    command = (
        *python("goproxy_mirror", "serve"),
        *("--listen", f"127.0.0.1:{place.port}", "--data", str(place.folder / "data")),
        *("--upstream", place.upstream, "--vulndb", "off", "--toolchains", "off", "--workers", "1"),
        *("--log-level", "warning", *more),
    )
    return Launch(command, ready="/readyz")


def ours(place: Place) -> Launch:
    """This program with its proof on."""
    return _ours(place, "--gosumdb", place.vkey, "--sumdb", f"{SUMDB}={place.upstream}/sumdb/{SUMDB}")


def unproven(place: Place) -> Launch:
    """This program without a checksum database, as the peers are by default."""
    return _ours(place, "--gosumdb", "off")


def _behind(front: str) -> Make:
    """This program behind a front."""

    def make(place: Place) -> Launch:
        launch = ours(place)
        return Launch((*launch.command, "--front", front), launch.env, launch.ready)

    return make


def _goproxy(place: Place) -> Launch:
    command = (
        *(str(peers.built("goproxy")), "server", "--address", f"127.0.0.1:{place.port}"),
        *("--cacher-dir", str(place.folder / "cache"), "--go-bin", str(go_binary())),
    )
    return Launch(command, {"GOPROXY": place.upstream, **_no_sumdb(place)}, "/healthz")


def _athens(place: Place) -> Launch:
    (place.folder / "cache").mkdir(parents=True, exist_ok=True)
    child = {"GOPROXY": place.upstream, "GOSUMDB": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw"}
    env = {
        "ATHENS_STORAGE_TYPE": "disk",
        "ATHENS_DISK_STORAGE_ROOT": str(place.folder / "cache"),
        "ATHENS_PORT": f"127.0.0.1:{place.port}",
        "ATHENS_GO_BINARY_ENV_VARS": ";".join(f"{name}={value}" for name, value in child.items()),
        "ATHENS_LOG_LEVEL": "warning",
        "GO_BINARY_PATH": str(go_binary()),
    }
    return Launch((str(peers.built("athens")),), env, "/healthz")


def _goproxyio(place: Place) -> Launch:
    command = (
        *(str(peers.built("goproxyio")), "-listen", f"127.0.0.1:{place.port}"),
        *("-cacheDir", str(place.folder / "cache"), "-proxy", place.upstream),
    )
    return Launch(command, _no_sumdb(place))


def _no_sumdb(place: Place) -> dict[str, str]:
    return {"GOSUMDB": "off", "GOPATH": str(place.folder / "gopath"), "GOTOOLCHAIN": "local"}


def _nginx(place: Place) -> Launch:
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (place.folder / name).mkdir(parents=True, exist_ok=True)
    temporary = "".join(
        f"  {kind}_temp_path {place.folder}/{name};\n"
        for kind, name in (
            ("client_body", "body"),
            ("proxy", "proxy"),
            ("fastcgi", "fastcgi"),
            ("uwsgi", "uwsgi"),
            ("scgi", "scgi"),
        )
    )
    file = place.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(
        f"daemon off;\n{user}\nworker_processes 1;\npid {place.folder}/pid;\nerror_log {place.folder}/errors;\n"
        "events { worker_connections 4096; }\n"
        f"http {{\n{temporary}  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000;\n"
        "  default_type application/octet-stream;\n"
        f"  server {{\n    listen 127.0.0.1:{place.port} backlog=4096;\n    root {place.tree};\n"
        '    add_header Cache-Control "public, max-age=604800";\n  }\n}\n'
    )
    return Launch(("nginx", "-p", str(place.folder), "-c", str(file)))


def _caddy(place: Place) -> Launch:
    file = place.folder / "Caddyfile"
    file.write_text(
        f"{{\n\tadmin off\n\tauto_https off\n}}\nhttp://127.0.0.1:{place.port} {{\n\tbind 127.0.0.1\n"
        f"\troot * {place.tree}\n\tfile_server\n}}\n"
    )
    env = {"XDG_DATA_HOME": str(place.folder), "XDG_CONFIG_HOME": str(place.folder)}
    return Launch(
        (program_of("caddy") or "caddy", "run", "--adapter", "caddyfile", "--config", str(file)), env
    )


def _go_files(place: Place) -> Launch:
    return Launch((str(_go_program("gofiles")), f"127.0.0.1:{place.port}", str(place.tree)))


def _go_fetch(how: str, place: Place) -> Launch:
    folder = place.folder / "cache"
    command = (str(_go_program("gofetch")), how, f"127.0.0.1:{place.port}", str(folder), place.upstream)
    return Launch((*command, str(go_binary())), {"GOTOOLCHAIN": "local"})


def _go_program(name: str) -> Path:
    program = kept_folder(name) / name
    source = Path(__file__).parent / name
    if not program.exists() or program.stat().st_mtime < (source / "main.go").stat().st_mtime:
        env = {
            "PATH": str(go_binary().parent),
            "HOME": str(program.parent),
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }
        command = [str(go_binary()), "build", "-trimpath", "-o", str(program), "."]
        subprocess.run(command, cwd=source, env=env, check=True, capture_output=True, timeout=300)
    return program


PROXIES: Mapping[str, Make] = {
    "ours": ours,
    "ours, unproven": unproven,
    "goproxy": _goproxy,
    "athens": _athens,
    "goproxyio": _goproxyio,
    "go command": partial(_go_fetch, "command"),
    "go fetch": partial(_go_fetch, "http"),
}
FILE_SERVERS: Mapping[str, Make] = {"nginx": _nginx, "caddy": _caddy, "go files": _go_files}
FRONTS: Mapping[str, Make] = {f"behind {front}": _behind(front) for front in ("nginx", "caddy")}
SERVERS: Mapping[str, Make] = {**PROXIES, **FILE_SERVERS, **FRONTS}


def missing() -> dict[str, str]:
    """The servers that are not there, and why."""
    found = {
        pinned.name: f"{pinned.version} is not built (bench/peers says why)"
        for pinned in peers.PEERS
        if peers.built(pinned.name) is None
    }
    for name in ("nginx", "caddy"):
        if program_of(name) is None:
            found |= dict.fromkeys((name, f"behind {name}"), "not installed")
    return found


class Server:
    """One running server with an empty store. A context manager."""

    def __init__(
        self,
        name: str,
        folder: Path,
        upstream: Upstream,
        *,
        core: int | None = None,
        make: Make | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        place = Place(folder, self.port, upstream.url, upstream.kept.tree, upstream.kept.vkey)
        self._launch = (make or SERVERS[name])(place)
        self._core = core
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """Its processes; it has to be started."""
        assert self._process is not None
        return self._process

    def start(self) -> float:
        """Start, and wait for the first answer; the seconds that it took."""
        self._process = Process(self._launch.command, self.folder, env=self._launch.env, core=self._core)
        until = self._process.started + _START
        while time.perf_counter() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                self.get(self._launch.ready)
                return time.perf_counter() - self._process.started
            if not self._process.alive():
                break
            time.sleep(0.002)
        said = self._process.said()
        self.stop()
        raise RuntimeError(f"{self.name} did not start\n{said}")

    def get(self, path: str, timeout: float = 300.0) -> tuple[int, int]:
        """Status and length of one answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
                length = 0
                while part := answer.read(1 << 20):
                    length += len(part)
                return answer.status, length
        except urllib.error.HTTPError as error:
            with error:
                return error.code, len(error.read())

    def fill(self, paths: Sequence[str]) -> None:
        """Ask for each path once, and twice for those that are answered from memory then; `RuntimeError` on a refusal."""
        for path in paths:
            for _ in range(2):
                status, _length = self.get(path)
                if status != 200:
                    raise RuntimeError(f"{self.name} answers {status} to {path}\n{self.process.said()}")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
