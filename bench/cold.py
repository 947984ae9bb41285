"""The real go command with an empty module cache, through a proxy with an empty store, to an upstream at a distance.

`direct` is the go command straight at the upstream. The go command itself asks no checksum database here. `list -deps` fetches
what `go build` does, and compiles nothing; `get` adds a module to a project that has none.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.figures import Measure, Target
from bench.filled import LARGE, PROJECT, SMALL
from bench.setting import Setting
from tests.world.go import Go

NAMES = ("ours", "ours, unproven", "goproxy", "athens", "goproxyio")
STAND_INS = ("go command", "go fetch")
"""Asked once, at 20 ms: they take several times as long as the rest."""


@dataclass(frozen=True)
class Command:
    """What the go command is given, the delays in milliseconds that it is measured at, and its project, if not the large one."""

    argv: Sequence[str]
    delays: Sequence[int]
    files: Mapping[str, str] | None = None


COMMANDS = {
    "download": Command(("mod", "download"), (0, 20, 100)),
    "list -m all": Command(("list", "-mod=mod", "-m", "all"), (0, 20, 100)),
    "tidy": Command(("mod", "tidy"), (20,)),
    "list -deps": Command(("list", "-deps", "./..."), (20,)),
    "get": Command(
        ("get", "github.com/spf13/cobra@v1.10.2"), (20,), {"go.mod": "module example.com/p\n\ngo 1.26.0\n"}
    ),
}
_LONGEST = 600.0
_STAND_INS_AT = 20


def _project(folder: Path, url: str, files: Mapping[str, str] | None) -> Go:
    """A developer with nothing but the project."""
    go = Go(folder, goproxy=url)
    if files is None:
        shutil.rmtree(go.work)
        shutil.copytree(PROJECT, go.work)
    else:
        go.project(files)
    return go


def _once(name: str, command: str, measure: str, setting: Setting) -> None:
    """One run of one command; the server has nothing, and neither has the client."""
    folder = setting.new_folder()
    figures = setting.figures
    server = None if name == "direct" else setting.server(name, pinned=False)
    try:
        if server is not None:
            server.start()
        setting.upstream.set(_delay(measure))
        url = setting.upstream.url if server is None else server.url
        go = _project(folder, url, COMMANDS[command].files)
        before = server.process.cpu() if server else 0.0
        began = time.perf_counter()
        done = go.run(*COMMANDS[command].argv, timeout=_LONGEST)
        took = time.perf_counter() - began
        if done.status:
            raise RuntimeError(done.stderr[-300:])
        counts = setting.upstream.counts()
        figures.add(measure, name, "s", wall=took)
        if server is not None:
            figures.add(measure, name, "s", CPU_of_the_server=server.process.cpu() - before)
            figures.add(measure, name, "MB", memory=server.process.peak() / 1e6)
        figures.add(measure, name, "MB", from_upstream=counts["bytes"] / 1e6)
        figures.add(measure, name, "", requests_upstream=sum(counts["requests"].values()))
        for kind, count in counts["requests"].items():
            figures.add(measure, name, "", **{f"{kind}_upstream": count})
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        figures.note(f"{measure}, {name}: {error}"[:400])
    finally:
        if server is not None:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _delay(measure: str) -> float:
    return int(measure.split()[-2]) / 1e3


def _compare(command: str, measure: str, setting: Setting) -> None:
    if not setting.upstream.kept.modules:
        setting.figures.note("the large project could not be downloaded: no cold measure")
        return
    kept = setting.upstream.kept
    setting.figures.note(f"the project has {kept.modules} modules, of which {kept.downloads} are downloaded")
    names = ["direct", *setting.there(NAMES)]
    for number in range(1 if setting.quick else setting.repeats):
        first = number % len(names)
        others = STAND_INS if number == 0 and _with_stand_ins(command, round(_delay(measure) * 1e3)) else ()
        for name in (*names[first:], *names[:first], *others):
            _once(name, command, measure, setting)


def _is_aimed(command: str, delay: int) -> bool:
    """Whether there are targets: for what is measured at every distance."""
    return delay > 0 and len(COMMANDS[command].delays) > 1


def _with_stand_ins(command: str, delay: int) -> bool:
    return delay == _STAND_INS_AT and _is_aimed(command, delay)


def _measure(command: str, delay: int) -> Measure:
    name = f"cold {command}, {delay} ms"

    def run(setting: Setting) -> None:
        _compare(command, name, setting)

    ratios = [("direct", 1.1), ("athens", 0.2), ("goproxy", 0.2)] if _is_aimed(command, delay) else []
    if _with_stand_ins(command, delay):
        ratios += [(each, 0.2) for each in STAND_INS]
    targets = [Target(name, "wall", bound, against) for against, bound in ratios]
    if _is_aimed(command, delay):
        targets.append(Target(name, "wall", 1.1, "direct", server="ours, unproven"))
    return Measure(
        name, f"`go {' '.join(COMMANDS[command].argv)}`, the upstream {delay} ms away", run, targets
    )


def _upstream(setting: Setting) -> None:
    """What the upstream could answer, which has to be far more than what anybody asks of it."""
    if not load.available():
        return
    setting.upstream.set(0)
    for what, module, ending in (("upstream .mod", SMALL, "mod"), ("upstream zip 20 MB", LARGE, "zip")):
        for _ in range(setting.repeats):
            done = load.put(
                setting.upstream.url,
                [f"/{module}/@v/v1.0.{number}.{ending}" for number in range(4)],
                setting.upstream.process,
                setting.folder,
                seconds=setting.seconds,
                core=setting.server_core,
            )
            add = setting.figures.add
            add("upstream", what, "1/s", requests=done.rate)
            add("upstream", what, "µs", CPU_a_request=done.cpu * 1e6)
            add("upstream", what, "MB/s", bytes=done.megabytes)


MEASURES = (
    Measure("upstream", "the upstream alone, without a delay: no bottleneck of what follows", _upstream),
    *(_measure(name, delay) for name, command in COMMANDS.items() for delay in command.delays),
)
