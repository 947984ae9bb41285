"""This proxy beside its peers and the physical limit, on the same machine in the same run.

    bench/peers                         builds the peers, once
    bench/run                           everything, with the targets; takes about an hour
    bench/run --quick                   a look at everything, in some minutes
    bench/run --only "warm .mod" --only cold --repeats 9 --json results.json --report

Every figure is the median of repeats in which the servers take turns, with the smallest and the largest. Servers run
on one core and the client on another, where there are two, but for the cold measures. All traffic stays on the loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from bench import cold, compression, front, growth, herd, memory, report, startup, warm
from bench.figures import Figures, Measure, show, show_verdicts
from bench.peers import INSTALLED, PEERS, built, version_of
from bench.processes import cores
from bench.setting import Setting
from bench.upstream import running
from goproxy_mirror import __version__
from tests.world.go import go_binary

MEASURES: Sequence[Measure] = (
    *startup.MEASURES,
    *warm.MEASURES,
    *front.MEASURES,
    *cold.MEASURES,
    *herd.MEASURES,
    *memory.MEASURES,
    *growth.MEASURES,
    *compression.MEASURES,
)


def machine() -> dict[str, Any]:
    """What it ran on, without names of the machine."""
    info = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "?")
    go = subprocess.run([str(go_binary()), "version"], capture_output=True, text=True, check=False).stdout
    versions = {"goproxy-mirror": __version__, "python": platform.python_version(), "go": go.split()[2]}
    versions |= {each.name: each.version for each in PEERS if built(each.name)}
    versions |= {name: version_of(name) for name in INSTALLED if shutil.which(name)}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "versions": versions,
    }


def arguments() -> argparse.Namespace:
    names = sorted({each.name for each in MEASURES})
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measure this proxy beside its peers.",
        epilog="Measures: " + ", ".join(names),
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="measures whose name begins so; may be repeated"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few and short repeats: proves the harness, not the program"
    )
    parser.add_argument("--repeats", type=int, help="of each figure (default 7; 2 with --quick)")
    parser.add_argument("--seconds", type=float, help="of each load (default 5; 1 with --quick)")
    parser.add_argument(
        "--million",
        action="store_true",
        help="growth also with a million stored versions (makes 3 million files)",
    )
    parser.add_argument(
        "--soak",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long the memory is watched (default: once)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--report", action="store_true", help="draw bench/report.html from them")
    return parser.parse_args()


def chosen(only: Sequence[str] | None) -> list[Measure]:
    found = [each for each in MEASURES if not only or any(each.name.startswith(name) for name in only)]
    if not found:
        raise SystemExit(
            f"no measure begins with {only}; there are: {', '.join(each.name for each in MEASURES)}"
        )
    return found


def results(figures: Figures, measures: Sequence[Measure], setting: Setting) -> dict[str, Any]:
    """All figures and verdicts, for the JSON file."""
    verdicts = [figures.judge(target) for each in measures for target in each.targets]
    return {
        "machine": machine(),
        "quick": setting.quick,
        "repeats": setting.repeats,
        "seconds": setting.seconds,
        "measures": {each.name: each.about for each in measures},
        "figures": [each.told() for each in figures.all.values()],
        "verdicts": [each.told() for each in verdicts],
        "notes": figures.notes,
    }


def main() -> int:
    asked = arguments()
    measures = chosen(asked.only)
    # A stop signal unwinds every context manager, and each ends what it started.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    server_core, client_core = cores()
    missed = 0
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as temporary,
        running(Path(temporary), client_core) as upstream,
    ):
        setting = Setting(
            folder=Path(temporary),
            upstream=upstream,
            repeats=asked.repeats or (2 if asked.quick else 7),
            seconds=asked.seconds or (1 if asked.quick else 5),
            quick=asked.quick,
            server_core=server_core,
            client_core=client_core,
            million=asked.million,
            soak=asked.soak,
        )
        figures = setting.figures
        figures.note(
            "ours proves every file by a checksum database; `ours, unproven` and the peers do not, which is the peers' default"
        )
        if client_core is None:
            figures.note("one core alone: the client takes the server's time")
        try:
            for measure in measures:
                print(f"\n{measure.name}: {measure.about}", flush=True)
                measure.run(setting)
                show(figures.of(measure.name))
        except KeyboardInterrupt:
            figures.note("interrupted: what follows was not measured")
        verdicts = [figures.judge(target) for each in measures for target in each.targets]
        print("\ntargets")
        show_verdicts(verdicts)
        missed = sum(each.met is False for each in verdicts)
        told = results(figures, measures, setting)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if asked.report:
        report.write(told)
    return 1 if missed else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    # What was started is being ended from here on, which no second signal may interrupt.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted before anything was measured; what was started is ended")
