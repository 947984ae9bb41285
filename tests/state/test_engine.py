"""What has to outlive a machine that loses its power is on the disk before anybody is told."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from goproxy_mirror.state.opening import State

_STEPS = """
import asyncio, os, sys
from pathlib import Path
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Home, Proof
from goproxy_mirror.state.opening import State

home, mv = Home("origin", "https://x.test"), ModuleVersion(ModulePath("x.test/m"), Version("v1.0.0"))

async def run():
    async with State(Path(sys.argv[1])) as state:
        async def record(ending, proof):
            await state.provenance.record("x.test/m/@v/v1.0.0." + ending, home, size=1, proof=proof)
        steps = {
            "opened": lambda: state.provenance.counts(),
            "pin": lambda: state.pins.pin(mv, FileKind.MOD, "h1:x=", home),
            "head": lambda: state.heads.advance("sum.test", b"", b"one"),
            "fork": lambda: state.heads.forked("sum.test", b"two"),
            "unproven": lambda: record("mod", None),
            "proven": lambda: record("zip", Proof("h1:x=", "sum.test")),
        }
        for name, step in steps.items():
            await step()
            os.write(1, f"<{name}>".encode())

asyncio.run(run())
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_disk_is_waited_for(tmp_path: Path) -> None:
    """Pins, tree heads, evidence and records of unproven files are synced before the call returns, and the folder when the
    database is made; a proven file's record waits for no disk (which shows that the others do)."""
    trace = tmp_path / "trace"
    subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-e",
            "trace=fsync,fdatasync,write",
            "-o",
            trace,
            sys.executable,
            "-c",
            _STEPS,
            tmp_path / "state",
        ],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    synced: dict[str, set[str]] = {}
    since: set[str] = set()
    for line in trace.read_text().splitlines():
        if sync := re.search(r" (?:fsync|fdatasync)\(\d+<(.+)>", line):
            since.add(Path(sync[1]).name)
        elif step := re.search(r' write\(1<.*>, "<(\w+)>"', line):
            synced[step[1]] = since
            since = set()
    assert synced["opened"] >= {"state.db", "state.db-wal", "state"}
    assert {name: files for name, files in synced.items() if name != "opened"} == {
        "pin": {"state.db-wal"},
        "head": {"state.db-wal"},
        "fork": {"state.db-wal"},
        "unproven": {"state.db-wal"},
        "proven": set(),
    }


async def test_settings_of_a_transaction(tmp_path: Path) -> None:
    """A durable transaction waits for the disk whoever had the connection before, and one that is not does not."""
    async with State(tmp_path) as state:
        for durable, level in ((True, 3), (False, 1), (True, 3)):
            found = await state._database.write(
                lambda session: session._connection.exec_driver_sql("PRAGMA synchronous").scalar(),
                durable=durable,
                wait=2.5,
            )
            assert found == level
        waits = await state._database.write(
            lambda session: session._connection.exec_driver_sql("PRAGMA busy_timeout").scalar(), wait=2.5
        )
        assert waits == 2500
