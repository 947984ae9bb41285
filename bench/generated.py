"""Random git repositories that look like Go projects, with all that makes module versions differ.

Submodules, major directories and major branches, retractions, `+incompatible` majors, tags that are nearly versions,
vendor folders, attributes, links, odd names, merges. The same seed gives the same commits.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LINK, FILE, SCRIPT, GITLINK = "120000", "100644", "100755", "160000"

GO_LINES = ("", "go 1.11", "go 1.16", "go 1.21.0", "go 1.23.9", "go 1.24", "go 1.24rc1", "go 1.25.1")
ODD_TAGS = (
    "v1.0",
    "v9",
    "1.0.0",
    "release-1",
    "v01.2.3",
    "V1.2.3",
    "v1.2.3.4",
    "v1.0.0-01",
    "latest",
    "nightly",
)
ODD_NAMES = (
    "sp ace.txt",
    "uni/é日本.go",
    "100%.txt",
    "~t~1.txt",
    "a+b.go",
    "testdata/.hid/f",
    "x@y.txt",
    "(p).go",
)
BAD_NAMES = ("a:b.txt", "con.txt", "trailing.", "it's.txt", "x😀.txt", "back\\slash", 'quo"te')
ATTRIBUTES = (
    "*.crlf text eol=crlf\n*.id ident\n",
    "* text=auto\n*.go text\n*.txt text eol=crlf\n",
    "*.u16 text working-tree-encoding=UTF-16LE-BOM\nsecret export-ignore\n*.sub export-subst\n",
    "*.lfs filter=lfs diff=lfs merge=lfs -text\n*.bin -text\n",
    "[attr]win text eol=crlf\n*.mod win\n",
)


@dataclass
class _Branch:
    name: str
    head: int
    tree: dict[str, tuple[str, str | bytes]]
    highest: dict[str, tuple[int, int, int]] = field(default_factory=dict)


class Generator:
    """One repository in the making: a stream for `git fast-import`."""

    def __init__(self, seed: int, name: str, commits: int) -> None:
        self.random = random.Random(seed)
        self.path = f"github.com/generated/{name}"
        self.commits = commits
        self.clock = 1_500_000_000 + seed * 1000
        self.tags: set[str] = set()
        self.modern = self.random.random() < 0.7
        self._mark = 0

    def stream(self) -> Iterator[str | bytes]:
        """The fast-import stream."""
        main = _Branch("main", 0, {"main.go": (FILE, "package main\n"), "README.md": (FILE, "r\n")})
        branches = [main]
        if self.modern:
            main.tree["go.mod"] = (FILE, self._go_mod("", ""))
        if self.random.random() < 0.7:
            main.tree["LICENSE"] = (FILE, "licence\n")
        for number in range(self.commits):
            branch = self.random.choice(branches) if number % 3 else main
            for _ in range(self.random.randint(1, 3)):
                self._change(branch.tree)
            merged = self.random.choice(branches) if self.random.random() < 0.15 else branch
            yield from self._commit(branch, merged)
            for _ in range(self.random.choice((0, 0, 1, 1, 2))):
                yield from self._tag(branch)
            if len(branches) < 5 and self.random.random() < 0.08:
                name = self.random.choice(("v1", "v2", "dev", "release/1.x", "v1.4.0", "feat_x", "abcdef12"))
                if all(name != other.name for other in branches):
                    copy = _Branch(name, branch.head, dict(branch.tree), dict(branch.highest))
                    branches.append(copy)
                    yield f"reset refs/heads/{name}\nfrom :{copy.head}\n\n"

    def _commit(self, branch: _Branch, merged: _Branch) -> Iterator[str | bytes]:
        self._mark += 1
        self.clock += self.random.choice((0, 1, 60, 3600, 86_400, -30))
        zone = self.random.choice(("+0000", "-0500", "+0930"))
        yield f"commit refs/heads/{branch.name}\nmark :{self._mark}\n"
        yield f"author A <a@x.test> {self.clock - 5000} +0000\n"
        yield f"committer C <c@x.test> {self.clock} {zone}\ndata 2\nc\n"
        if branch.head:
            yield f"from :{branch.head}\n"
        if merged.head and merged.head != branch.head:
            yield f"merge :{merged.head}\n"
        yield "deleteall\n"
        for path, (mode, content) in branch.tree.items():
            quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
            if mode == GITLINK:
                yield f"M {mode} {content!s} {quoted}\n"
                continue
            data = content if isinstance(content, bytes) else content.encode()
            yield f"M {mode} inline {quoted}\ndata {len(data)}\n"
            yield data
            yield "\n"
        yield "\n"
        branch.head = self._mark

    def _tag(self, branch: _Branch) -> Iterator[str | bytes]:
        name = self._tag_name(branch)
        if name in self.tags:
            return
        self.tags.add(name)
        if self.random.random() < 0.3:
            yield f"tag {name}\nfrom :{branch.head}\ntagger T <t@x.test> {self.clock} +0000\ndata 2\nt\n"
        else:
            yield f"reset refs/tags/{name}\nfrom :{branch.head}\n\n"

    def _tag_name(self, branch: _Branch) -> str:
        roll = self.random.random()
        if roll < 0.06:
            return self.random.choice(ODD_TAGS)
        folder = self.random.choice(("", "", "", "sub/", "tools/x/", "v2/", "plain/"))
        major = self.random.choice((0, 1, 1, 1, 2, 2, 3))
        key = f"{folder}{major}"
        _, minor, patch = branch.highest.get(key, (major, 0, -1))
        if self.random.random() < 0.4:
            minor, patch = minor + 1, 0
        else:
            patch += 1
        branch.highest[key] = (major, minor, patch)
        suffix = self.random.choice(
            ("", "", "", "", "-rc.1", "-beta", "+meta", "-0.20200101000000-abcdefabcdef")
        )
        return f"{folder}v{major}.{minor}.{patch}{suffix}"

    def _change(self, tree: dict[str, tuple[str, str | bytes]]) -> None:
        roll = self.random.random()
        number = self.random.randint(0, 9)
        if roll < 0.25:
            tree[f"pkg{number}/f{number}.go"] = (
                FILE,
                f"package pkg{number}\n\nconst N = {self.random.random()}\n",
            )
        elif roll < 0.42:
            self._change_go_mod(tree)
        elif roll < 0.55:
            self._add_module(tree)
        elif roll < 0.63:
            for path in ("vendor/modules.txt", "vendor/a.b/c/d.go", "pkg/vendor/v.go", "sub/vendor/x/y.go"):
                tree[path] = (FILE, f"{path} {number}\n")
        elif roll < 0.70:
            folder = self.random.choice(("", "", "sub/", "pkg1/"))
            tree[f"{folder}.gitattributes"] = (FILE, self.random.choice(ATTRIBUTES))
            for ending in ("crlf", "id", "u16", "sub", "lfs", "bin", "txt"):
                tree[f"{folder}d{number}.{ending}"] = (FILE, "$Id$\nline\n$Format:%H$\n")
        elif roll < 0.78:
            tree[self.random.choice(ODD_NAMES)] = (FILE, f"{number}\r\n")
        elif roll < 0.81:
            tree[f"link{number}"] = (LINK, self.random.choice(("main.go", "nowhere", "sub")))
            tree["third_party/m"] = (GITLINK, "fc3a09f3dc5cfe0d7a743ea18f1f5226e68b3777")
        elif roll < 0.84:
            where = self.random.choice(("", "vendor/a.b/", "sub/", "tools/x/"))
            tree[where + self.random.choice(BAD_NAMES)] = (FILE, "bad\n")
        elif roll < 0.86:
            tree["Readme"], tree["sub/README.MD"] = (FILE, "one\n"), (FILE, "two\n")
            tree["sub/readme.md"] = (FILE, "three\n")
        elif roll < 0.90:
            where = self.random.choice(("LICENSE", "sub/LICENSE", "tools/x/LICENSE"))
            tree[where] = self.random.choice(((FILE, f"licence {number}\n"), (LINK, "README.md")))
        elif roll < 0.93:
            tree["run.sh"] = (SCRIPT, "#!/bin/sh\n")
            tree[f"blob{number}.bin"] = (FILE, self.random.randbytes(20_000))
        else:
            self._remove(tree)

    def _remove(self, tree: dict[str, tuple[str, str | bytes]]) -> None:
        bad = [path for path in tree if path.rpartition("/")[2] in {*BAD_NAMES, "Readme", "README.MD"}]
        for path in bad or [self.random.choice(sorted(tree))]:
            if len(tree) > 1:
                del tree[path]

    def _change_go_mod(self, tree: dict[str, tuple[str, str | bytes]]) -> None:
        roll = self.random.random()
        if roll < 0.12:
            tree.pop("go.mod", None)
        elif roll < 0.7:
            tree["go.mod"] = (FILE, self._go_mod("", self.random.choice(("", "", "", "/v2", "/v3"))))
        elif roll < 0.78:
            tree["go.mod"] = (
                FILE,
                self.random.choice(("", "// nothing\n", "module (\n\tx.y/z\n)\n", "\ufeffmodule a.b/c\n")),
            )
        elif roll < 0.82:
            tree["go.mod"] = (LINK, "sub/go.mod")
        else:
            tree["go.mod"] = (FILE, self._go_mod("", "", retract=True))

    def _add_module(self, tree: dict[str, tuple[str, str | bytes]]) -> None:
        folder, major = self.random.choice(
            (
                ("sub", ""),
                ("sub", "/v2"),
                ("sub/v2", ""),
                ("v2", ""),
                ("v3", ""),
                ("tools/x", ""),
                ("tools/x", "/v3"),
            )
        )
        if self.random.random() < 0.2:
            tree.pop(f"{folder}/go.mod", None)
            return
        retract = self.random.random() < 0.3
        tree[f"{folder}/go.mod"] = (FILE, self._go_mod(f"/{folder}", major, retract=retract))
        tree[f"{folder}/m.go"] = (FILE, "package m\n")

    def _go_mod(self, inside: str, major: str, *, retract: bool = False) -> str:
        path = self.random.choice((self.path, self.path, self.path, "example.com/fork")) + inside + major
        line = self.random.choice((f"module {path}", f'module "{path}" // quoted', f"module\t{path}\r"))
        text = f"{line}\n\n{self.random.choice(GO_LINES)}\n"
        if retract:
            low = f"v{major[2:] or self.random.choice('01')}.{self.random.randint(0, 2)}.0"
            high = low[:-1] + str(self.random.randint(0, 9))
            text += self.random.choice(
                (
                    f"retract {low} // why\n",
                    f"retract [{low}, {high}]\n",
                    f"retract (\n\t{low}\n\t[{low}, {high}]\n)\n",
                )
            )
        return text + self.random.choice(("", "", "// end\n", "require (\n", "foo bar\n"))


def generate(folder: Path, seed: int, commits: int) -> Path:
    """Make the bare repository `folder/gSEED`."""
    repository = folder / f"g{seed}"
    hashes = "sha256" if seed % 5 == 4 else "sha1"
    env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    init = ["git", "init", "-q", "--bare", "-b", "main", f"--object-format={hashes}", str(repository)]
    subprocess.run(init, env=env, check=True)
    stream = b"".join(
        part if isinstance(part, bytes) else part.encode()
        for part in Generator(seed, f"g{seed}", commits).stream()
    )
    if hashes == "sha256":
        stream = stream.replace(b"fc3a09f3dc5cfe0d7a743ea18f1f5226e68b3777", b"fc3a09f3" * 8)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, env=env, check=True, input=stream)
    return repository
