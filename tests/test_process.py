"""Programs are started, bounded, and gone afterwards: `goproxy_mirror.process`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goproxy_mirror import observe
from goproxy_mirror.errors import NeedsTool, SourceTimeout, SourceUnavailable
from goproxy_mirror.process import Limits, Runner

PYTHON = sys.executable
FOREVER = "import time; time.sleep(600)"
GRANDCHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {FOREVER!r}])
print(child.pid, flush=True)
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "state")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that init has not reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def gone(pid: int) -> None:
    """Wait until a process is gone."""
    async with asyncio.timeout(10):
        while is_alive(pid):
            await asyncio.sleep(0.01)


async def test_run__gives_status_and_both_outputs(runner: Runner, tmp_path: Path) -> None:
    """Any exit status is an answer; stdin reaches the program."""
    code = "import sys; sys.stdout.write(sys.stdin.read() * 2); sys.stderr.write('e'); sys.exit(3)"
    done = await runner.run([PYTHON, "-c", code], cwd=tmp_path, stdin=b"ab", timeout=30, output_limit=10)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"abab", b"e")


async def test_run__tells_that_it_goes_on(runner: Runner, tmp_path: Path) -> None:
    """Whoever waits for a program hears of what it says on either stream, and of its end."""
    told: list[None] = []
    observe.progress.set(lambda: told.append(None))
    code = "import sys; sys.stdin.read(); print('x', flush=True); sys.stderr.write('e')"
    await runner.run([PYTHON, "-c", code], cwd=tmp_path, timeout=30, output_limit=10)
    assert len(told) == 3


async def test_run__a_program_that_reads_nothing_is_no_error(runner: Runner, tmp_path: Path) -> None:
    """More stdin than a pipe holds, for a program that ends at once."""
    done = await runner.run(
        [PYTHON, "-c", "print('x')"], cwd=tmp_path, stdin=bytes(5_000_000), timeout=30, output_limit=10
    )
    assert done.stdout == b"x\n"


async def test_environment__is_made_from_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this process's environment is inherited but PATH; proxies go in both spellings."""
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    runner = Runner(
        tmp_path, proxy_env={"HTTPS_PROXY": "http://p:1", "no_proxy": "x"}, ca_file=tmp_path / "ca.pem"
    )
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    done = await runner.run(
        [PYTHON, "-c", code], cwd=tmp_path, env={"LC_ALL": "C", "MORE": "1"}, timeout=30, output_limit=10_000
    )
    import json

    seen = json.loads(done.stdout)
    seen.pop("LC_CTYPE", None)
    assert seen == {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "LC_ALL": "C",
        "TZ": "UTC",
        "HTTPS_PROXY": "http://p:1",
        "https_proxy": "http://p:1",
        "NO_PROXY": "x",
        "no_proxy": "x",
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "MORE": "1",
    }


async def test_run__output_over_the_limit(runner: Runner, tmp_path: Path) -> None:
    """A program that never stops talking is stopped at the limit."""
    code = "import sys\nwhile True: sys.stdout.write('y' * 65536)"
    with pytest.raises(SourceUnavailable, match="more than 100000 bytes"):
        await runner.run([PYTHON, "-c", code], cwd=tmp_path, timeout=60, output_limit=100_000)


async def test_run__stderr_keeps_the_end(runner: Runner, tmp_path: Path) -> None:
    """However much a program complains, only the last 64 KiB stay in memory."""
    code = "import sys; sys.stderr.write('a' * 1_000_000 + 'end')"
    done = await runner.run([PYTHON, "-c", code], cwd=tmp_path, timeout=60, output_limit=10)
    assert len(done.stderr) == 64 << 10
    assert done.stderr.endswith(b"aend")


async def test_run__deadline_kills_the_whole_group(runner: Runner, tmp_path: Path) -> None:
    """A grandchild that holds stdout open dies with its parent when the time is up."""
    pids = tmp_path / "pids"
    code = GRANDCHILD.replace(
        "print(child.pid, flush=True)", f"open({str(pids)!r}, 'w').write(str(child.pid))"
    )
    with pytest.raises(SourceTimeout, match="did not finish within 2 s"):
        await runner.run([PYTHON, "-c", code + FOREVER], cwd=tmp_path, timeout=2, output_limit=10)
    await gone(int(pids.read_text()))


async def test_stream__leaving_kills_the_whole_group(runner: Runner, tmp_path: Path) -> None:
    """What a program left behind is killed though the program itself has ended well."""
    async with runner.stream([PYTHON, "-c", GRANDCHILD], cwd=tmp_path, timeout=60) as running:
        pid = int(await running.stdout.readline())
        assert is_alive(pid)
    await gone(pid)


async def test_stream__cancelling_kills_the_whole_group(runner: Runner, tmp_path: Path) -> None:
    """A cancelled task leaves no process, and the cancellation goes on."""
    started: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with runner.stream([PYTHON, "-c", GRANDCHILD + FOREVER], cwd=tmp_path, timeout=60) as running:
            started.set_result((running.pid, int(await running.stdout.readline())))
            await running.wait()

    task = asyncio.create_task(work())
    parent, child = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(parent)
    await gone(child)


async def test_stream__a_stray_that_left_the_group_does_not_hold_us(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon with a session of its own, holding our pipes, delays the end for a bounded time only."""
    monkeypatch.setattr("goproxy_mirror.process._REAP_SECONDS", 0.2)
    code = GRANDCHILD.replace("])\n", "], start_new_session=True)\n")
    async with runner.stream([PYTHON, "-c", code], cwd=tmp_path, timeout=60) as running:
        pid = int(await running.stdout.readline())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)


async def test_stream__an_own_timeout_error_is_not_the_deadline(runner: Runner, tmp_path: Path) -> None:
    """A TimeoutError raised in the block is the caller's."""
    with pytest.raises(TimeoutError):
        async with runner.stream([PYTHON, "-c", FOREVER], cwd=tmp_path, timeout=60):
            raise TimeoutError


async def test_stream__an_unread_program_waits(runner: Runner, tmp_path: Path) -> None:
    """Nothing is read ahead of the reader beyond a bound: an endless program does not fill memory."""
    progress = tmp_path / "progress"
    code = (
        "import os\nn = 0\n"
        f"f = open({str(progress)!r}, 'wb', buffering=0)\n"
        "while True: n += os.write(1, b'y' * 65536); os.pwrite(f.fileno(), b'%20d' % n, 0)"
    )
    async with runner.stream([PYTHON, "-c", code], cwd=tmp_path, timeout=60) as running:
        assert await running.stdout.readexactly(3) == b"yyy"

        async def settled() -> AsyncIterator[int]:
            while True:
                yield int(progress.read_bytes() or b"0")
                await asyncio.sleep(0.2)

        before = -1
        async for written in settled():
            if written == before:
                break
            before = written
        assert written < 8 << 20


async def test_start__a_missing_program_is_named(runner: Runner, tmp_path: Path) -> None:
    """The person who reads it learns which tool to install."""
    with pytest.raises(NeedsTool, match="no-such-tool is needed"):
        await runner.run(["no-such-tool"], cwd=tmp_path, timeout=5, output_limit=1)


async def test_start__a_missing_folder_is_no_missing_tool(runner: Runner, tmp_path: Path) -> None:
    """A folder that was removed meanwhile is not reported as a tool to install."""
    with pytest.raises(SourceUnavailable, match="folder is gone") as caught:
        await runner.run([PYTHON, "-c", ""], cwd=tmp_path / "none", timeout=5, output_limit=1)
    assert not isinstance(caught.value, NeedsTool)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel holds these limits on Linux only")
async def test_limits__are_held_by_the_kernel(runner: Runner, tmp_path: Path) -> None:
    """A program can neither write a larger file nor take more memory than it was allowed."""
    code = (
        "import resource, sys; sys.stdin.read()\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    )
    limits = Limits(memory=1 << 30, file_size=1 << 20)
    async with runner.stream([PYTHON, "-c", code], cwd=tmp_path, timeout=60, limits=limits) as running:
        running.feed(b"go")
        assert await running.read(100) == b"1073741824 1048576\n"


async def test_inherit__a_descriptor_stays_open_in_the_program(runner: Runner, tmp_path: Path) -> None:
    """A lock's descriptor that is handed on is held by the program too."""
    with (tmp_path / "lock").open("w") as lock:
        code = f"import os; print(os.fstat({lock.fileno()}).st_ino)"
        done = await runner.run(
            [PYTHON, "-c", code], cwd=tmp_path, timeout=30, output_limit=100, inherit=[lock.fileno()]
        )
    assert int(done.stdout) == (tmp_path / "lock").stat().st_ino
