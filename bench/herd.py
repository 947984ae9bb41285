"""A thousand clients at once on what nobody has asked for yet."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from bench.clients import herd
from bench.figures import Measure, Target
from bench.filled import LARGE, herd_module
from bench.servers import Server
from bench.setting import Setting

NAMES = ("ours", "goproxy", "athens", "goproxyio")
ONE = "herd, one zip"
MANY = "herd, many .mod"


def _clients(setting: Setting) -> int:
    return 100 if setting.quick else 1000


def _ask(server: Server, clients: int, paths: list[str], setting: Setting) -> dict[str, Any]:
    try:
        return herd(server.port, clients, paths, setting.folder, core=setting.client_core)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the clients failed: {error.stderr[-300:]}") from error


def _failed(told: dict[str, Any]) -> int:
    return sum(count for status, count in told["statuses"].items() if status != "200")


def _one_zip(setting: Setting) -> None:
    """One client on one cold zip; all clients on another cold one; all clients on the first, which is warm by then."""
    clients = _clients(setting)
    setting.figures.note(f"the herds have {clients} clients")
    for number in range(1 if setting.quick else min(setting.repeats, 3)):
        for name in setting.there(NAMES):
            server = setting.server(name)
            alone, together = (f"/{LARGE}/@v/v1.0.{2 * number + each}.zip" for each in (0, 1))
            try:
                server.start()
                setting.upstream.set(0.02)
                one = _ask(server, 1, [alone], setting)
                setting.upstream.set(0.02)
                cold = _ask(server, clients, [together], setting)
                counts = setting.upstream.counts()
                warm = _ask(server, clients, [alone], setting)
                add = setting.figures.add
                add(ONE, name, "s", one_client=one["last"], all_cold=cold["last"], all_warm=warm["last"])
                add(ONE, name, "", cold_to_expected=cold["last"] / (one["last"] + warm["last"]))
                add(ONE, name, "", zips_upstream=counts["requests"].get("zip", 0))
                add(ONE, name, "", failed=_failed(cold) + _failed(warm) + _failed(one))
                add(ONE, name, "MB", memory=server.process.peak() / 1e6)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                setting.figures.note(f"{ONE}, {name}: {error}"[:400])
            finally:
                server.stop()
                shutil.rmtree(server.folder, ignore_errors=True)


def _many_mods(setting: Setting) -> None:
    """Every client on a cold `.mod` of its own."""
    clients = _clients(setting)
    paths = [f"/{herd_module(number)}/@v/v1.0.0.mod" for number in range(clients)]
    for _ in range(1 if setting.quick else min(setting.repeats, 3)):
        for name in setting.there(NAMES):
            server = setting.server(name)
            try:
                server.start()
                setting.upstream.set(0.02)
                before = server.process.cpu()
                told = _ask(server, clients, paths, setting)
                counts = setting.upstream.counts()
                add = setting.figures.add
                add(MANY, name, "s", last=told["last"], median=told["median"])
                add(MANY, name, "ms", CPU_a_file=(server.process.cpu() - before) / clients * 1e3)
                add(MANY, name, "", failed=_failed(told), at_once_upstream=counts["at once"])
                add(MANY, name, "", requests_upstream=sum(counts["requests"].values()))
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                setting.figures.note(f"{MANY}, {name}: {error}"[:400])
            finally:
                server.stop()
                shutil.rmtree(server.folder, ignore_errors=True)


MEASURES = (
    Measure(
        ONE,
        "1,000 clients on one cold zip of 20 MB, the upstream 20 ms away",
        _one_zip,
        (
            Target(ONE, "cold to expected", 1.5),
            Target(ONE, "zips upstream", 1),
            Target(ONE, "failed", 0),
        ),
    ),
    Measure(
        MANY,
        "1,000 clients on 1,000 cold .mod, the upstream 20 ms away",
        _many_mods,
        (Target(MANY, "failed", 0), Target(MANY, "at once upstream", 256)),
    ),
)
