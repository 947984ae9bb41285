"""What the allocators of libraries are told."""

from __future__ import annotations

import json
import subprocess
import sys

from goproxy_mirror.config.memory import spare_memory


def test_what_the_user_says_counts() -> None:
    """Only what nobody has said is said."""
    environ = {"MIMALLOC_ARENA_EAGER_COMMIT": "1", "PATH": "/bin"}
    spare_memory(environ)
    assert environ.pop("_RJEM_MALLOC_CONF").startswith("narenas:")
    assert environ == {"MIMALLOC_ARENA_EAGER_COMMIT": "1", "MIMALLOC_PURGE_DELAY": "0", "PATH": "/bin"}


def test_it_is_said_in_time() -> None:
    """The module that `serve` begins in loads none of the libraries that have to hear it first."""
    program = "import sys, json, goproxy_mirror.cli.serve; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    loaded = set(json.loads(done.stdout))
    assert "goproxy_mirror.cli.serve" in loaded
    assert not loaded & {"granian", "pyreqwest", "goproxy_mirror.app"}
