"""Stand-ins for the real modules, where no registry of Go modules can be reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.world.zips import write_zip

PSEUDO_TEXT = "v0.0.0-20170915032832-14c0d48ead0c"
PSEUDO_CHECK = "v0.0.0-20161208181325-20d25e280405"


def _library(package: str) -> bytes:
    return f"// Package {package} stands for a real one.\npackage {package}\n".encode()


def _require(*lines: str) -> str:
    return "".join(f"\nrequire {line}\n" for line in lines)


# Each: module path, version, what its go.mod adds (None: the module has no go.mod), files.
_STANDINS: tuple[tuple[str, str, str | None, Mapping[str, bytes]], ...] = (
    *(
        (
            "golang.org/x/mod",
            version,
            "\ngo 1.18\n",
            {
                "LICENSE": b"A licence.\n",
                "semver/semver.go": _library("semver") + f"\n// Version is {version}.\n".encode(),
                "sumdb/note/note.go": _library("note"),
            },
        )
        for version in ("v0.20.0", "v0.21.0", "v0.22.0")
    ),
    (
        "golang.org/x/example/hello",
        "v0.0.0-20250915201037-7f05d217867b",
        "\ngo 1.19\n",
        {
            "hello.go": b'package main\n\nimport "golang.org/x/example/hello/reverse"\n\n'
            b'func main() { println(reverse.String("olleh")) }\n',
            "reverse/reverse.go": b"package reverse\n\nfunc String(s string) string { return s }\n",
        },
    ),
    ("golang.org/x/text", PSEUDO_TEXT, None, {"language/language.go": _library("language")}),
    (
        "rsc.io/sampler",
        "v1.3.0",
        _require(f"golang.org/x/text {PSEUDO_TEXT}"),
        {"sampler.go": b'package sampler\n\nimport _ "golang.org/x/text/language"\n'},
    ),
    (
        "rsc.io/quote",
        "v1.5.2",
        _require("rsc.io/sampler v1.3.0"),
        {"quote.go": b'package quote\n\nimport _ "rsc.io/sampler"\n'},
    ),
    ("github.com/google/uuid", "v1.6.0", "", {"uuid.go": _library("uuid")}),
    ("github.com/BurntSushi/toml", "v0.3.1", None, {"toml.go": _library("toml")}),
    ("github.com/pkg/errors", "v0.8.0", None, {"errors.go": _library("errors")}),
    ("github.com/pkg/errors", "v0.8.1", None, {"errors.go": _library("errors"), "LICENSE": b"A licence.\n"}),
    ("gopkg.in/check.v1", PSEUDO_CHECK, None, {"check.go": _library("check")}),
    (
        "gopkg.in/yaml.v3",
        "v3.0.1",
        _require(f"gopkg.in/check.v1 {PSEUDO_CHECK}"),
        {
            "yaml.go": _library("yaml"),
            "yaml_test.go": b'package yaml\n\nimport _ "gopkg.in/check.v1"\n',
        },
    ),
)


def write_standins(tree: Path) -> None:
    """Write every stand-in's `.info`, `.mod` and `.zip` into a GOPROXY tree."""
    for number, (path, version, go_mod, files) in enumerate(_STANDINS):
        escaped = "".join(f"!{c.lower()}" if c.isupper() else c for c in path)
        folder = tree / escaped / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        text = f"module {path}\n{go_mod or ''}"
        time = f"2024-01-{number + 1:02d}T00:00:00Z"
        if "-20" in version:
            stamp = version.split("-")[1]
            time = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:12]}:{stamp[12:14]}Z"
        (folder / f"{version}.info").write_text(json.dumps({"Version": version, "Time": time}))
        (folder / f"{version}.mod").write_text(text)
        own = {} if go_mod is None else {"go.mod": text.encode()}
        # git lists a tree in byte order, and so does a zip that was made from a repository.
        write_zip(folder / f"{version}.zip", f"{path}@{version}", dict(sorted({**own, **files}.items())))
