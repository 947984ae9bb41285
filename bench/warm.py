"""Hits: small files, zips, lists, with the server on one core and the client on the other."""

from __future__ import annotations

from collections.abc import Sequence

from bench import load
from bench.figures import Measure, Target
from bench.filled import LARGE, MEDIUM, SMALL, SMALL_COUNT
from bench.servers import Server
from bench.setting import Setting

ALL = ("ours", "goproxy", "athens", "goproxyio", "nginx", "caddy", "go files")
PROXIES = ("ours", "goproxy", "athens", "goproxyio", "go command")


def paths_of(module: str, ending: str, count: int) -> list[str]:
    """The paths of a made-up module's files."""
    return [f"/{module}/@v/v1.0.{number}{ending}" for number in range(count)]


def hits(name: str, paths: Sequence[str], servers: Sequence[str], setting: Setting) -> None:
    """Fill each server by asking, then put load on one after the other."""
    if not load.available():
        setting.figures.note("wrk is not installed: no load can be put on a server")
        return
    setting.upstream.set(0)
    chosen = paths[:16] if setting.quick else paths
    with setting.started(servers) as running:
        able: list[Server] = []
        for server in running:
            try:
                server.fill(chosen)
                able.append(server)
            except RuntimeError as error:
                setting.figures.note(f"{name}: {error}"[:300])
        for server in setting.turns(able):
            try:
                done = load.put(
                    server.url,
                    chosen,
                    server.process,
                    setting.folder,
                    seconds=setting.seconds,
                    core=setting.client_core,
                )
            except RuntimeError as error:
                setting.figures.note(f"{name}, {server.name}: {error}"[:300])
                continue
            figures = setting.figures
            figures.add(name, server.name, "1/s", requests=done.rate)
            figures.add(name, server.name, "µs", CPU_a_request=done.cpu * 1e6)
            figures.add(name, server.name, "ms", p50=done.p50 * 1e3, p99=done.p99 * 1e3)
            figures.add(name, server.name, "MB/s", bytes=done.megabytes)


def _info(setting: Setting) -> None:
    hits("warm .info", paths_of(SMALL, ".info", SMALL_COUNT), ALL, setting)


def _mod(setting: Setting) -> None:
    hits("warm .mod", paths_of(SMALL, ".mod", SMALL_COUNT), ALL, setting)


def _medium(setting: Setting) -> None:
    hits("warm zip 300 kB", paths_of(MEDIUM, ".zip", 8), ALL, setting)


def _large(setting: Setting) -> None:
    hits("warm zip 20 MB", paths_of(LARGE, ".zip", 4), ALL, setting)


def _list(setting: Setting) -> None:
    hits("list", [f"/{SMALL}/@v/list"], PROXIES, setting)


def _latest(setting: Setting) -> None:
    hits("latest", [f"/{SMALL}/@latest"], PROXIES, setting)


def _small_targets(name: str) -> tuple[Target, ...]:
    cost = "CPU a request"
    return (
        Target(name, "requests", 1.5, "goproxy", at_least=True),
        Target(name, "requests", 4.0, "athens", at_least=True),
        Target(name, "requests", 0.5, "nginx", at_least=True),
        Target(name, "requests", 1.5, "go files", at_least=True),
        Target(name, cost, 1 / 1.5, "goproxy"),
        Target(name, cost, 1 / 4, "athens"),
        Target(name, cost, 2.0, "nginx"),
        *(Target(name, "p99", 1.0, peer) for peer in ("goproxy", "athens", "goproxyio")),
    )


MEASURES = (
    Measure("warm .info", "hits of 0.2 kB", _info, _small_targets("warm .info")),
    Measure("warm .mod", "hits of 3 kB", _mod, _small_targets("warm .mod")),
    Measure(
        "warm zip 300 kB",
        "hits of 300 kB",
        _medium,
        (
            Target("warm zip 300 kB", "bytes", 0.5, "goproxy", at_least=True),
            Target("warm zip 300 kB", "bytes", 0.5, "go files", at_least=True),
        ),
    ),
    Measure(
        "warm zip 20 MB",
        "hits of 20 MB",
        _large,
        (
            Target("warm zip 20 MB", "bytes", 1.0, "goproxy", at_least=True),
            Target("warm zip 20 MB", "bytes", 1.0, "go files", at_least=True),
        ),
    ),
    Measure(
        "list",
        "@v/list within its time to live",
        _list,
        tuple(Target("list", "requests", 50, peer, at_least=True) for peer in ("athens", "go command")),
    ),
    Measure(
        "latest",
        "@latest within its time to live",
        _latest,
        tuple(Target("latest", "requests", 50, peer, at_least=True) for peer in ("athens", "go command")),
    ),
)
