"""Resident memory of the largest process, at its peak, while large files are fetched and sent."""

from __future__ import annotations

import shutil
import subprocess
import time

from bench.clients import herd
from bench.figures import Measure, Target
from bench.filled import HUGE, LARGE, LARGE_COUNT
from bench.servers import Server
from bench.setting import Setting

NAMES = ("ours", "goproxy", "athens", "goproxyio")
NAME = "memory"
CLIENTS = 64
SLOW, VERY_SLOW = 10.0, 1.0
"""Megabytes per second that a slow client reads."""


def _memory(setting: Setting) -> None:
    large = [f"/{LARGE}/@v/v1.0.{number}.zip" for number in range(LARGE_COUNT)]
    huge = [f"/{HUGE}/@v/v1.0.0.zip"]
    steps: list[tuple[str, int, list[str], float]] = [
        ("64 cold zips", CLIENTS, large, 0.0),
        ("64 warm zips", CLIENTS, large, 0.0),
        ("64 slow clients", CLIENTS, large, SLOW),
        ("500 MB, cold", 1, huge, 0.0),
        ("500 MB, warm", 1, huge, 0.0),
    ]
    for _ in range(1 if setting.quick else min(setting.repeats, 3)):
        for name in setting.there(NAMES):
            server = setting.server(name)
            try:
                server.start()
                setting.upstream.set(0)
                setting.figures.add(NAME, name, "MB", at_rest=server.process.peak() / 1e6)
                for step, clients, paths, slow in steps:
                    server.process.forget_peak()
                    told = herd(
                        server.port, clients, paths, setting.folder, core=setting.client_core, slow=slow
                    )
                    if set(told["statuses"]) != {"200"}:
                        raise RuntimeError(f"{step}: {told['statuses']}")
                    setting.figures.add(NAME, name, "MB", **{step: server.process.peak() / 1e6})
                if setting.soak:
                    _soak(setting, server, large)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                setting.figures.note(f"{NAME}, {name}: {error}"[:400])
            finally:
                server.stop()
                shutil.rmtree(server.folder, ignore_errors=True)


def _soak(setting: Setting, server: Server, paths: list[str]) -> None:
    """Clients that take their time, again and again; what grows is seen by the last tenth of it."""
    began = time.monotonic()
    for name, end in (("soak, first tenth", 0.1), ("soak", 0.9), ("soak, last tenth", 1.0)):
        server.process.forget_peak()
        while time.monotonic() < began + end * setting.soak:
            herd(server.port, CLIENTS, paths, setting.folder, core=setting.client_core, slow=VERY_SLOW)
        setting.figures.add(NAME, server.name, "MB", **{name: server.process.peak() / 1e6})


_STEPS = (
    "64 cold zips",
    "64 warm zips",
    "64 slow clients",
    "500 MB, cold",
    "500 MB, warm",
    "soak, last tenth",
)
MEASURES = (
    Measure(
        NAME,
        "peak of the largest process: 64 clients with 20 MB each; one with 500 MB",
        _memory,
        tuple(Target(NAME, step, 150) for step in _STEPS),
    ),
)
