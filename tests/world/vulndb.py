"""Vulnerability databases of a few entries, laid out as https://go.dev/security/vuln/database has it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.world.folders import cache_folder
from tests.world.go import go_binary
from tests.world.local_http import Exchange, LocalServer

GOVULNCHECK = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"

FIRST, SECOND, THIRD = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-03-03T00:00:00Z"


@dataclass(frozen=True)
class Vuln:
    """One entry: all versions of a module before `fixed`, where `symbols` of the module's root package are called."""

    id: str
    module: str = "example.com/weak"
    modified: str = FIRST
    fixed: str = "1.1.0"
    symbols: Sequence[str] = ("Bad",)
    summary: str = "a weakness"

    def entry(self) -> dict[str, Any]:
        """The entry in the OSV schema."""
        return {
            "schema_version": "1.3.1",
            "id": self.id,
            "modified": self.modified,
            "published": FIRST,
            "summary": self.summary,
            "details": self.summary,
            "affected": [
                {
                    "package": {"name": self.module, "ecosystem": "Go"},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": self.fixed}]}],
                    "ecosystem_specific": {"imports": [{"path": self.module, "symbols": list(self.symbols)}]},
                }
            ],
            "database_specific": {"url": f"https://pkg.go.dev/vuln/{self.id}"},
        }


def plain_files(*vulns: Vuln, modified: str | None = None) -> dict[str, bytes]:
    """Every file of the database by its path, not gzipped; `modified` says another time than the newest entry's."""
    modules: dict[str, list[dict[str, str]]] = {}
    for vuln in vulns:
        line = {"id": vuln.id, "modified": vuln.modified, "fixed": vuln.fixed}
        modules.setdefault(vuln.module, []).append(line)
    newest = max((vuln.modified for vuln in vulns), default="0001-01-01T00:00:00Z")
    said: dict[str, object] = {
        "index/db.json": {"modified": modified or newest},
        "index/modules.json": [{"path": path, "vulns": lines} for path, lines in sorted(modules.items())],
        "index/vulns.json": [{"id": vuln.id, "modified": vuln.modified} for vuln in vulns],
        **{f"ID/{vuln.id}.json": vuln.entry() for vuln in vulns},
    }
    return {path: json.dumps(content).encode() for path, content in said.items()}


def all_files(*vulns: Vuln, modified: str | None = None) -> dict[str, bytes]:
    """The same, and each gzipped too."""
    plain = plain_files(*vulns, modified=modified)
    return plain | {f"{path}.gz": gzip.compress(body, mtime=0) for path, body in plain.items()}


class VulnServer(LocalServer):
    """A database over HTTP; `files` by path may be replaced at any time, and `status` other than 200 breaks all."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.status = 200
        super().__init__()

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        body = self.files.get(exchange.path.lstrip("/"))
        if self.status != 200:
            exchange.reply(self.status, b"broken")
        elif body is None:
            exchange.reply(404, b"no such file")
        else:
            kind = "application/gzip" if exchange.path.endswith(".gz") else "application/json"
            exchange.reply(200, body, {"Content-Type": kind})


def govulncheck() -> Path | None:
    """The real govulncheck, built once through the machine's ordinary Go settings; None where that is not possible."""
    if os.environ.get("GOPROXY_MIRROR_TESTS_OFFLINE"):
        return None
    kept = cache_folder() / GOVULNCHECK.replace("/", "_")
    program = kept / "bin" / "govulncheck"
    with FileLock(f"{kept}.lock"):
        if not program.exists():
            env = dict(os.environ) | {
                "GOBIN": str(program.parent),
                "GOCACHE": str(cache_folder() / "build"),
                "GOFLAGS": "-modcacherw -buildvcs=false",
                "GOMODCACHE": str(kept / "modcache"),
                "GOPATH": str(kept / "gopath"),
                "GOTOOLCHAIN": "local",
                "GOWORK": "off",
                "CGO_ENABLED": "0",
            }
            command = [str(go_binary()), "install", GOVULNCHECK]
            kept.mkdir(exist_ok=True)
            subprocess.run(command, cwd=kept, env=env, capture_output=True, check=False, timeout=900)
    return program if program.exists() else None
