"""What `export --go-mod` puts into a bundle, held against what the real go command asks for without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.moving import Mover
from tests.world.go import Go
from tests.world.offline import offline
from tests.world.upstream import Upstream
from tests.world.zips import write_zip

COMMANDS = (
    "go mod download",
    "go build ./...",
    "go vet ./...",
    "go test ./...",
    "go mod tidy",
    "go mod graph",
    "go mod why -m all",
    "go mod download all",
    "go list -m -json all",
    "go test $(go list -f '{{if not .Standard}}{{.ImportPath}}{{end}}' -deps ./...)",
    "go mod vendor",
)


def requires(*lines: str, go: str = "1.24") -> str:
    """What a go.mod says behind its module line."""
    return f"\ngo {go}\n" + "".join(f"\nrequire {line}\n" for line in lines)


def package(name: str, *imports: str) -> bytes:
    """A package that imports others."""
    return f"package {name}\n".encode() + b"".join(f'\nimport _ "{each}"\n'.encode() for each in imports)


MODULES: Mapping[str, tuple[str, Mapping[str, bytes]]] = {
    # Its tests need a module of their own, which is of no interest to who imports it, except to `go mod tidy`.
    "a.test/a v1.0.0": (
        requires("b.test/b v1.0.0", "d.test/d v1.1.0", "q.test/q v1.0.0", "s.test/s v1.0.0 // indirect"),
        {"a.go": package("a", "b.test/b", "d.test/d"), "a_test.go": package("a", "q.test/q")},
    ),
    "b.test/b v1.0.0": (requires(), {"b.go": package("b")}),
    "d.test/d v1.0.0": (requires(), {"d.go": package("d")}),
    "d.test/d v1.1.0": (requires(), {"d.go": package("d")}),
    "q.test/q v1.0.0": (requires("s.test/s v1.0.0"), {"q.go": package("q", "s.test/s")}),
    "s.test/s v1.0.0": (requires(), {"s.go": package("s")}),
    # From before pruning: everything that it requires is followed.
    "o.test/o v1.0.0": (requires("p.test/p v1.0.0", go="1.16"), {"o.go": package("o", "p.test/p")}),
    "p.test/p v1.0.0": (requires("n.test/n v1.1.0"), {"p.go": package("p", "n.test/n")}),
    "n.test/n v1.0.0": (requires(), {"n.go": package("n")}),
    "n.test/n v1.1.0": (requires(), {"n.go": package("n")}),
    "f.test/f v1.2.0": ("", {"r.go": package("r", "n.test/n")}),
    "t.test/t v1.0.0": (requires(), {"t.go": package("t")}),
    "m.test/m v1.0.0": (requires("k.test/k v1.0.0"), {"m.go": package("m", "k.test/k")}),
    "z.test/z v1.0.0": (
        requires("k.test/k v1.0.0", "gone.test/g v1.0.0"),
        {"z.go": package("z", "k.test/k")},
    ),
    "k.test/k v1.0.0": (requires(), {"k.go": package("k")}),
    "x.test/x v1.0.0": (requires(), {"cmd/tool/main.go": b"package main\n\nfunc main() {}\n"}),
}
"""By module and version: what the go.mod says, and files. gone.test/g is not in the world any more, as happens."""

PROJECT = {
    "go.mod": """module main.test/project

go 1.24

tool x.test/x/cmd/tool

require (
	a.test/a v1.0.0
	d.test/d v1.0.0
	l.test/l v0.0.0
	local v0.0.0
	o.test/o v1.0.0
	r.test/r v1.0.0
	t.test/t v1.0.0
	x.test/x v1.0.0
)

exclude d.test/d v1.1.0

replace (
	l.test/l => ./folders/l
	local => ./folders/local
	r.test/r => f.test/f v1.2.0
)
""",
    "main.go": 'package main\n\nimport (\n\t_ "a.test/a"\n\t_ "l.test/l"\n\t_ "local"\n\t_ "o.test/o"\n\t_ "r.test/r"\n)\n\nfunc main() {}\n',
    "main_test.go": 'package main\n\nimport _ "t.test/t"\n',
    "folders/l/go.mod": "module l.test/l\n\ngo 1.24\n\nrequire m.test/m v1.0.0\n",
    "folders/l/l.go": 'package l\n\nimport _ "m.test/m"\n',
    "folders/local/go.mod": "module local\n\ngo 1.24\n\nrequire s.test/s v1.0.0\n",
    "folders/local/local.go": 'package local\n\nimport _ "s.test/s"\n',
}

WORKSPACE = {
    "go.work": "go 1.24\n\nuse (\n\t./one\n\t./two\n)\n\nreplace r.test/r => f.test/f v1.2.0\n",
    "one/go.mod": "module main.test/one\n"
    + requires("b.test/b v1.0.0", "n.test/n v1.0.0", "r.test/r v1.0.0"),
    "one/one.go": 'package one\n\nimport (\n\t_ "b.test/b"\n\t_ "main.test/two"\n\t_ "n.test/n"\n\t_ "r.test/r"\n)\n',
    "two/go.mod": "module main.test/two\n" + requires("o.test/o v1.0.0"),
    "two/two.go": 'package two\n\nimport _ "o.test/o"\n',
}


def write_tree(tree: Path) -> None:
    """A GOPROXY tree of all modules."""
    for name, (said, files) in MODULES.items():
        path, version = name.split()
        folder = tree / path / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        go_mod = f"module {path}\n{said}".encode()
        (folder / f"{version}.mod").write_bytes(go_mod)
        (folder / f"{version}.info").write_text(
            json.dumps({"Version": version, "Time": "2024-01-02T03:04:05Z"})
        )
        write_zip(folder / f"{version}.zip", f"{path}@{version}", {"go.mod": go_mod, **files})


@pytest.fixture
def upstream_tree(tmp_path: Path) -> Path:
    """The world's modules."""
    write_tree(tmp_path / "tree")
    return tmp_path / "tree"


def test_everything_that_the_go_command_does(upstream_tree: Path, tmp_path: Path) -> None:
    """Without a network, each command does what it does with one: excluded and replaced versions, folders, old modules, tools, and
    what only tests of dependencies import."""
    with Upstream(upstream_tree) as upstream:
        author = Go(tmp_path / "author", goproxy=upstream.url)
        author.project(PROJECT)
        author.run("mod", "tidy").ok()
        tidy = (author.work / "go.mod").read_text(), author.go_sum()
        mover = Mover(tmp_path, ("--upstream", upstream.url, "--no-builtin-mirrors"))
        made = mover.run(
            "export",
            str(tmp_path / "bundle"),
            "--go-mod",
            str(author.work / "go.mod"),
            data=tmp_path / "here",
        )
        assert made.status == 0, made.text
    taken = Mover(tmp_path).run("import", str(tmp_path / "bundle"), data=tmp_path / "there")
    assert taken.status == 0, taken.text
    developer = Go(tmp_path / "developer", goproxy="off")
    developer.project({**PROJECT, "go.mod": tidy[0]})
    assert "q.test/q v1.0.0 h1:" in tidy[1]
    offline(developer, tmp_path / "there", "go mod tidy", *COMMANDS)
    assert ((developer.work / "go.mod").read_text(), developer.go_sum()) == tidy


def test_workspace(upstream_tree: Path, tmp_path: Path) -> None:
    """What go.work names is built together: its replacement counts for all, and its modules are fetched from nowhere."""
    with Upstream(upstream_tree) as upstream:
        author = Go(tmp_path / "author", goproxy=upstream.url)
        author.project(WORKSPACE)
        mover = Mover(tmp_path, ("--upstream", upstream.url, "--no-builtin-mirrors"))
        work = str(author.work / "go.work")
        made = mover.run("export", str(tmp_path / "bundle"), "--go-mod", work, data=tmp_path / "here")
        assert made.status == 0, made.text
    taken = Mover(tmp_path).run("import", str(tmp_path / "bundle"), data=tmp_path / "there")
    assert taken.status == 0, taken.text
    developer = Go(tmp_path / "developer", goproxy="off", env={"GOWORK": "auto", "GOFLAGS": "-modcacherw"})
    developer.project(WORKSPACE)
    said = offline(
        developer, tmp_path / "there", "go build ./one ./two", "go list -m all", "go test ./one ./two"
    )
    assert "n.test/n v1.1.0" in said


def test_module_at_a_version(upstream_tree: Path, tmp_path: Path) -> None:
    """A module that was named comes with what its own build needs; what is gone from the world, and is not needed, is said."""
    with Upstream(upstream_tree) as upstream:
        mover = Mover(tmp_path, ("--upstream", upstream.url, "--no-builtin-mirrors"))
        made = mover.run("export", "-", "z.test/z@v1.0.0", data=tmp_path / "here")
        assert made.status == 0, made.text
        assert "left out  gone.test/g@v1.0.0.mod: " in made.err
    assert Mover(tmp_path).run("import", "-", data=tmp_path / "there", stdin=made.out).status == 0
    developer = Go(tmp_path / "developer", goproxy="off")
    developer.project(
        {"go.mod": "module main.test/p\n\ngo 1.24\n", "p.go": 'package p\n\nimport _ "z.test/z"\n'}
    )
    offline(developer, tmp_path / "there", "go get z.test/z@v1.0.0", "go build ./...")
