"""Load by wrk, on the client's core, with what it cost the server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Process, pinned

_SCRIPT = """
local requests, count, turn = {}, 0, 0
init = function(arguments)
  for line in io.lines(arguments[1]) do
    count = count + 1
    requests[count] = wrk.format("GET", line, { Host = "127.0.0.1", ["User-Agent"] = "Go-http-client/1.1" })
  end
end
request = function()
  turn = turn % count + 1
  return requests[turn]
end
done = function(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.status + summary.errors.timeout
  io.write(string.format('\\n{"requests": %d, "bytes": %.0f, "us": %d, "failed": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.bytes, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What one load did: per second, and in seconds."""

    rate: float
    megabytes: float
    p50: float
    p99: float
    cpu: float
    """Of the server, for each request."""


def available() -> bool:
    """Whether there is a wrk."""
    return shutil.which("wrk") is not None


def put(
    url: str,
    paths: Sequence[str],
    process: Process,
    folder: Path,
    *,
    seconds: float,
    core: int | None,
    connections: int = 32,
) -> Load:
    """Ask for the paths in turn over and over. `RuntimeError` where one request failed."""
    script, listed = folder / "load.lua", folder / "paths"
    script.write_text(_SCRIPT)
    listed.write_text("".join(f"{path}\n" for path in paths))
    command = [
        *(
            "wrk",
            "--threads",
            "1",
            "--connections",
            str(connections),
            "--duration",
            f"{max(1, round(seconds))}s",
        ),
        *("--timeout", "60s", "--script", str(script), url, "--", str(listed)),
    ]
    before = process.cpu()
    done = subprocess.run(
        pinned(command, core), capture_output=True, check=False, text=True, timeout=seconds + 120
    )
    cpu = process.cpu() - before
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"wrk failed: {done.stdout[-300:]}{done.stderr[-300:]}") from None
    if told["failed"] or not told["requests"]:
        raise RuntimeError(f"{told['failed']} of {told['requests']} requests failed")
    took = told["us"] / 1e6
    return Load(
        rate=told["requests"] / took,
        megabytes=told["bytes"] / took / 1e6,
        p50=told["p50"] / 1e6,
        p99=told["p99"] / 1e6,
        cpu=cpu / told["requests"],
    )
