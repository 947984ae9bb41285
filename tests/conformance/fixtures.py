"""Git repositories that are the same, commit ids included, at every run: the fixtures behind the conformance cases.

They stand for `https://github.com/x/NAME` and `https://x.test/git/NAME`. Each one holds a few revisions that tell
one rule of the go command from its neighbours; the go command's own answers about them are in `truth_*.json`.

usage: python -m tests.conformance.fixtures OUT   (makes OUT/NAME, ordinary repositories with a work tree)
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.fixtures_content import attrs, bad, bad_case, big, crlfmod, files, symmod, vend
from tests.conformance.gitrepo import GitRepo


def vers(out: Path) -> None:
    """Tags, branches and commits that are nearly versions, with a history to find a base in."""
    r = GitRepo(out, "vers")
    r.day("02-01")
    r.raw("a.go", "package vers\n")
    r.commit("nomod")
    r.tag("v0.1.0", "v1.0", "v1", "1.0.1", "V1.0.2", "v01.0.0", "v1.0.0-01", "v1.2.3.4", "version-1")
    r.tag("v2.0.0", "v3.0.0", "v0.1.0+meta", "v0.0.0-20200101000000-abcdefabcdef")
    r.day("02-02")
    r.raw("go.mod", "module github.com/x/vers\n")
    r.commit("mod")
    r.tag("v1.0.0")
    r.git("tag", "-a", "v1.0.1", "-m", "annot")
    r.git("tag", "-a", "-m", "nested", "v1.0.2", "v1.0.1")
    r.day("02-03")
    after = r.commit("after")
    for branch in ("v1.9", "feature/foo", "abcdef1", "UPPER"):
        r.git("branch", branch)
    r.day("02-04")
    r.commit("v1.1.0-rc.1")
    r.tag("v1.1.0-rc.1", "v1.1.0-beta")
    r.day("02-05")
    r.commit("x")
    r.tag("not-semver")
    r.git("checkout", "-q", "-b", "side", after)
    r.day("02-06")
    r.commit("side")
    r.tag("v1.1.0")
    r.day("02-07")
    r.commit("side2")
    r.git("checkout", "-q", "main")
    r.git("branch", "-f", "v1.0.0", after)  # a branch with the name of a tag
    r.at("2024-02-08T23:30:00-05:00", "2020-01-01T00:00:00+00:00")
    r.commit("tz")
    r.git("checkout", "-q", "--detach", "HEAD")
    r.day("02-09")
    unreachable = r.commit("unreachable")
    r.git("update-ref", "refs/pull/1/head", unreachable)
    r.git("checkout", "-q", "main")


def blobtag(out: Path) -> None:
    """Tags that lead to no commit."""
    r = GitRepo(out, "blobtag")
    r.raw("go.mod", "module github.com/x/blobtag\n")
    r.commit()
    r.tag("v1.0.0")
    blob = r.raw("blob", "blob\n")
    r.git("read-tree", "HEAD")
    r.git("tag", "v1.5.0", blob)
    r.git("tag", "v1.6.0", r.git("rev-parse", "HEAD^{tree}"))


def sha256(out: Path) -> None:
    """A repository whose object ids are SHA-256."""
    r = GitRepo(out, "sha256", "sha256")
    r.raw("go.mod", "module github.com/x/sha256\n")
    r.commit()
    r.tag("v1.0.0")
    r.day("07-01")
    r.commit("next")


def gopkg(out: Path) -> None:
    """What gopkg.in pages lead to."""
    r = GitRepo(out, "gopkg")
    r.raw("a.go", "package gopkg\n")
    r.day("08-01")
    r.commit()
    r.day("08-02")
    r.raw("b.go", "package gopkg\n")
    r.commit()
    r.tag("v1.0.0", "v2.0.0")
    r.day("08-03")
    r.commit()
    r.tag("v2.1")
    r.git("branch", "v2")


def metasub(out: Path) -> None:
    """Modules below the folder that a go-import's fourth field names."""
    r = GitRepo(out, "metasub")
    r.raw("README", "r\n")
    r.raw("LICENSE", "L\n")
    r.raw("src/go/go.mod", "module x.test/metasub\n")
    r.raw("src/go/a.go", "package a\n")
    r.raw("src/go/inner/go.mod", "module x.test/metasub/inner\n")
    r.raw("src/go/v2/go.mod", "module x.test/metasub/v2\n")
    r.raw("src/go/nomod/x.go", "package x\n")
    r.day("09-01")
    r.commit()
    r.tag("v1.0.0", "src/go/v1.1.0", "src/go/inner/v0.1.0", "src/go/v2.0.0", "inner/src/go/v0.2.0")
    r.day("09-02")
    r.commit()
    r.raw("inner/src/go/go.mod", "module x.test/metasub/inner\n")
    r.day("09-03")
    r.commit()
    r.tag("inner/src/go/v0.3.0")


def multi(out: Path) -> None:
    """Several modules and majors in one repository."""
    r = GitRepo(out, "multi")
    r.raw("go.mod", "module github.com/x/multi\n")
    r.raw("LICENSE", "L\n")
    r.raw("a.go", "package multi\n")
    r.raw("v2/go.mod", "module github.com/x/multi/v2\n")
    r.raw("v2/b.go", "package multi\n")
    r.raw("sub/go.mod", "module github.com/x/multi/sub\n")
    r.raw("sub/v3/go.mod", "module github.com/x/multi/sub/v3\n")
    r.raw("sub/v3/c.go", "package sub\n")
    r.raw("plain/p.go", "package plain\n")
    r.day("03-01")
    r.commit()
    r.tag("v1.0.0", "v2.0.0", "sub/v0.1.0", "sub/v3.0.0", "sub/v3/v3.0.1", "v2/v2.0.1", "plain/v1.0.0")
    r.day("03-02")
    r.commit()
    r.git("checkout", "-q", "-b", "v4")
    r.raw("go.mod", "module github.com/x/multi/v4\n")
    r.commit()
    r.tag("v4.0.0")
    r.git("checkout", "-q", "-f", "main")


def retr(out: Path) -> None:
    """Retracted versions, one of which is the retraction's own."""
    r = GitRepo(out, "retr")
    r.raw("go.mod", "module github.com/x/retr\n")
    r.day("04-01")
    r.commit()
    r.tag("v1.0.0")
    r.day("04-02")
    r.commit()
    r.tag("v1.1.0")
    r.day("04-03")
    r.raw("go.mod", "module github.com/x/retr\n\nretract [v1.1.0, v1.2.0] // bad\n")
    r.commit()
    r.tag("v1.2.0")
    r.day("04-04")
    r.commit()
    r.tag("v1.3.0-pre")
    r.day("04-05")
    r.commit()


def incompat(out: Path) -> None:
    """Majors with and without a go.mod under one unversioned path."""
    r = GitRepo(out, "incompat")
    r.raw("a.go", "package incompat\n")
    r.day("05-01")
    r.commit()
    r.tag("v1.0.0", "v2.0.0", "v2.1.0-pre")
    r.raw("go.mod", "module github.com/x/incompat/v3\n")
    r.day("05-02")
    r.commit()
    r.tag("v3.0.0")
    r.drop("go.mod")
    r.day("05-03")
    r.commit()
    r.tag("v3.1.0", "v4.0.0")
    r.raw("v5/go.mod", "module github.com/x/incompat/v5\n")
    r.day("05-04")
    r.commit()
    r.tag("v5.0.0")
    r.day("05-05")
    r.commit()


def upper(out: Path) -> None:
    """Upper-case letters in the path and in a version."""
    r = GitRepo(out, "UpPer")
    r.raw("go.mod", "module github.com/x/UpPer\n")
    r.raw("A.go", "package u\n")
    r.day("06-01")
    r.commit()
    r.tag("v1.0.0-RC1", "v1.0.0")


def mism(out: Path) -> None:
    """Module lines that the line scanner reads in its own way."""
    r = GitRepo(out, "mism")
    for go_mod, tags in (
        ("module example.com/other\n", ["v1.0.0"]),
        ("module example.com/other/v2\n", ["v1.1.0", "v2.0.0"]),
        ("// no module line\n", ["v1.2.0"]),
        ("", ["v1.3.0"]),
        ("module gopkg.in/mism.v7\n", ["v1.4.0"]),
        ('module "github.com/x/mism" // quoted\n\n\n', ["v1.5.0"]),
        ("module (\n\tgithub.com/x/mism\n)\n", ["v1.6.0"]),
        ("\ufeffmodule github.com/x/mism\n", ["v1.7.0"]),
        ("module example.com/bad/v1\n", ["v1.8.0"]),
    ):
        r.raw("go.mod", go_mod)
        r.commit()
        r.tag(*tags)


def empty(out: Path) -> None:
    """A repository without a commit."""
    GitRepo(out, "empty")


FIXTURES = (
    attrs,
    files,
    vend,
    bad,
    bad_case,
    vers,
    blobtag,
    crlfmod,
    sha256,
    gopkg,
    metasub,
    symmod,
    multi,
    retr,
    incompat,
    upper,
    mism,
    big,
    empty,
)


def make_all(out: Path) -> None:
    """Make every fixture repository below `out`."""
    for fixture in FIXTURES:
        fixture(out)


if __name__ == "__main__":
    make_all(Path(sys.argv[1]))
