"""From the start of the program to its first answer; and what its imports cost."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.figures import Measure, Target
from bench.processes import ROOT, pinned
from bench.setting import Setting
from tests.world.go import clean_environment

NAMES = ("ours", "goproxy", "athens", "goproxyio", "nginx", "caddy")


def _start(setting: Setting) -> None:
    """A server with an empty folder, and then the same server with what that start has left."""
    setting.upstream.set(0)
    for _ in range(setting.repeats):
        for name in setting.there(NAMES):
            server = setting.server(name)
            for which in ("first", "again"):
                try:
                    took = server.start()
                    cpu = server.process.cpu()
                finally:
                    server.stop()
                setting.figures.add("start", name, "s", **{which: took, f"CPU_{which}": cpu})


def _imports(setting: Setting) -> None:
    """What the command line imports, and what a worker does, beside an empty Python."""
    programs = {
        "python": "pass",
        "command line": "import goproxy_mirror.cli",
        "worker": "import goproxy_mirror.web.worker, goproxy_mirror.app",
    }
    env = clean_environment(setting.folder) | {"PYTHONPATH": str(ROOT / "src")}
    for _ in range(setting.repeats * 2):
        for name, program in programs.items():
            began = time.perf_counter()
            command = pinned((sys.executable, "-c", program), setting.server_core)
            subprocess.run(command, env=env, cwd=setting.folder, check=True, timeout=60)
            setting.figures.add("imports", name, "s", wall=time.perf_counter() - began)


MEASURES = (
    Measure(
        "start", "from the start to the first answer, one core", _start, (Target("start", "again", 1.0),)
    ),
    Measure("imports", "time of imports, one core", _imports),
)
