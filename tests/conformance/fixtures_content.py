"""Fixture repositories about what goes into a module zip; see `fixtures.py`."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.gitrepo import GitRepo

GO_MOD_LIMIT = 16 << 20
LICENSE_LIMIT = 16 << 20

ATTRIBUTES = """\
*.crlf text eol=crlf
*.id ident
*.u16 text working-tree-encoding=UTF-16LE-BOM
*.auto text=auto
*.txt text
secret/ export-ignore
ignored.go export-ignore
subst.go export-subst
*.lfs filter=lfs diff=lfs merge=lfs -text
*.bin -text
"""

LFS_POINTER = """\
version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""

# Names that x/mod refuses in a module zip, save the last, which is fine.
BAD_NAMES: dict[str, bytes] = {
    "colon": b"a:b.txt",
    "star": b"a*.txt",
    "quote": b"it's.txt",
    "con": b"con.txt",
    "aux": b"x/AUX.go",
    "dot": b"trailing.",
    "emoji": "x😀.txt".encode(),
    "back": b"a\\b",
    "nl": b"a\nb",
    "latin": b"caf\xe9.txt",
    "lt": b"a<b",
    "pct": b"100%.txt",
}


def attrs(out: Path) -> None:
    """What `git archive` converts, and what the go command switches off."""
    r = GitRepo(out, "attrs")
    r.raw(".gitattributes", ATTRIBUTES)
    r.raw("go.mod", "module github.com/x/attrs\n\ngo 1.21\n")
    r.raw("lf.crlf", "a\nb\n")
    r.raw("k.id", "$Id$\nx\n")
    r.raw("w.u16", "hi\n")
    r.raw("crlf.auto", "a\r\nb\r\n")
    r.raw("crlf.txt", "a\r\nb\r\n")
    r.raw("lf.txt", "a\nb\n")
    r.raw("secret/s.go", "package secret\n")
    r.raw("ignored.go", "package attrs\n")
    r.raw("subst.go", 'package attrs\n\nconst C = "$Format:%H$"\n')
    r.raw("p.lfs", LFS_POINTER)
    r.raw("x.bin", b"\x00\r\n\xff")
    r.raw("plain.go", "package attrs\r\n")
    r.raw("sub/.gitattributes", "*.q text eol=crlf\n")
    r.raw("sub/a.q", "1\n2\n")
    r.raw("mod2/go.mod", "module github.com/x/attrs/mod2\n")
    r.raw("mod2/lf.crlf", "a\nb\n")
    r.raw("mod2/k.id", "$Id: old $\n")
    r.raw("mod2/deep/.gitattributes", "* -ident -text\n")
    r.raw("mod2/deep/k.id", "$Id$\n")
    r.raw("mod2/deep/lf.crlf", "a\n")
    r.commit()
    r.tag("v1.0.0", "mod2/v1.0.0")


def files(out: Path) -> None:
    """Links, gitlinks, nested modules in each disguise, and the inherited LICENSE."""
    r = GitRepo(out, "files")
    r.raw("go.mod", "module github.com/x/files\n\ngo 1.21\n")
    r.raw("a.go", "package files\n")
    r.raw("run.sh", "#!/bin/sh\n", "100755")
    r.raw("link", "a.go", "120000")
    r.raw("dirlink", "sub", "120000")
    r.raw("broken", "nowhere", "120000")
    r.raw("sub/x.go", "package sub\n")
    r.raw("LICENSE", "root license\n")
    r.raw("empty.txt", "")
    r.raw(".hg_archival.txt", "repo: x\n")
    r.raw("sub/.hg_archival.txt", "repo: x\n")
    r.raw(".gitignore", "*.o\n")
    r.raw(".gitmodules", '[submodule "m"]\n\tpath = m\n\turl = https://x.test/git/hello\n')
    r.entry("m", "fc3a09f3dc5cfe0d7a743ea18f1f5226e68b3777", "160000")
    r.raw("nested/go.mod", "module github.com/x/files/nested\n")
    r.raw("nested/n.go", "package nested\n")
    r.raw("nested/deep/d.go", "package deep\n")
    r.raw("nested2/GO.MOD", "module x\n")
    r.raw("nested2/n.go", "package nested2\n")
    r.raw("nested3/go.mod", "../go.mod", "120000")
    r.raw("nested3/n.go", "package nested3\n")
    r.raw("nested4/go.mod/file.go", "package x\n")
    r.raw("nested4/n.go", "package nested4\n")
    r.raw("uni/é日本.go", "package uni\n")
    r.raw("uni/sp ace.txt", "x\n")
    r.raw("uni/~tilde~1.txt", "x\n")
    r.raw("testdata/.hidden/f", "x\n")
    r.raw("vendorx/a/b.go", "x\n")
    r.commit()
    r.tag("v1.0.0", "nested/v0.1.0", "nested/deep/v0.1.0")
    r.raw("LICENSE", "LICENSE.md", "120000")
    r.raw("LICENSE.md", "md\n")
    r.day("01-03")
    r.commit()
    r.tag("nested/v0.2.0")
    r.raw("nested/LICENSE", "nested license\n")
    r.commit()
    r.tag("nested/v0.3.0")


def vend(out: Path) -> None:
    """Vendored files under each go line that changes their rule."""
    r = GitRepo(out, "vend")
    for path in (
        "vendor/modules.txt",
        "vendor/x.go",
        "vendor/a.com/b/c.go",
        "pkg/vendor/vendor.go",
        "pkg/vendor/modules.txt",
        "pkg/vendor/a.com/b.go",
        "pkg/vendor/vendor.go.d/x",
        "a/vendor/vendor/x.go",
        "vendor/vendor/x.go",
        "vendorfoo/x.go",
        "p/vendor",
        "vendor.go",
        "q/vendor/sub/go.mod",
        "q/vendor/sub/x.go",
    ):
        r.raw(path, path + "\n")
    for tag, rest in (
        ("v1.23.0", "\ngo 1.23.5\n"),
        ("v1.24.0", "\ngo 1.24\n"),
        ("v1.24.1", "\ngo 1.24rc1\n"),
        ("v1.0.0", ""),
        ("v1.25.0", "\ngo 1.24 // comment\nrequire (\n"),  # a syntax error
        ("v1.26.0", "\ngo 1.24\n\nfoo bar\n"),  # an unknown directive, which the lax parser skips
        ("v1.99.0", "\ngo 1.99\n"),
    ):
        r.raw("go.mod", "module github.com/x/vend\n" + rest)
        r.commit()
        r.tag(tag)
    r.drop("go.mod")
    r.commit()
    r.tag("v1.1.0")
    r.raw("go.mod", "module github.com/x/vend\r\n\r\ngo 1.24\r\n")
    r.commit()
    r.tag("v1.27.0")


def bad(out: Path) -> None:
    """Names that no module zip may hold: as a file, below vendor and a nested module, and as a link."""
    for name, path in BAD_NAMES.items():
        go_mod = f"module github.com/x/bad-{name}\n"
        r = GitRepo(out, f"bad-{name}")
        r.raw("go.mod", go_mod)
        blob = r.raw("ok.go", "package ok\n")
        r.entry(path, blob)
        r.commit()
        r.tag("v1.0.0")
        r.clear()
        r.raw("go.mod", go_mod)
        r.raw("nest/go.mod", "module n\n")
        r.entry(b"vendor/a/" + path, blob)
        r.entry(b"nest/" + path, blob)
        r.commit()
        r.tag("v1.1.0")
        r.clear()
        r.raw("go.mod", go_mod)
        r.entry(path, blob, "120000")
        r.commit()
        r.tag("v1.2.0")


def bad_case(out: Path) -> None:
    """Names that differ in case only, as Unicode's simple folding sees it."""
    r = GitRepo(out, "bad-case")
    go_mod = ("go.mod", "module github.com/x/bad-case\n", "100644")
    for number, entries in enumerate(
        (
            [go_mod, ("README", "a\n", "100644"), ("readme", "b\n", "100644")],
            [go_mod, ("Dir/a", "a\n", "100644"), ("dir/b", "b\n", "100644")],
            [go_mod, ("A", "a\n", "100644"), ("a", "x", "120000")],
            [go_mod, ("\u212a.txt", "a\n", "100644"), ("k.txt", "b\n", "100644")],
            [("GO.MOD", go_mod[1], "100644"), ("k.txt", "b\n", "100644")],
            [("k.txt", "b\n", "100644")],
            [],
        )
    ):
        if number:
            r.clear()
        for path, data, mode in entries:
            r.raw(path, data, mode)
        r.commit()
        r.tag(f"v1.{number}.0")


def crlfmod(out: Path) -> None:
    """A go.mod whose archived form differs from its blob."""
    r = GitRepo(out, "crlfmod")
    r.raw(".gitattributes", "* text eol=crlf\n")
    r.raw("go.mod", "module github.com/x/crlfmod\n")
    r.raw("LICENSE", "L\n")
    r.raw("a.go", "package a\n")
    r.raw("sub/go.mod", "module github.com/x/crlfmod/sub\n")
    r.raw("sub/s.go", "package s\n")
    r.commit()
    r.tag("v1.0.0", "sub/v1.0.0")


def symmod(out: Path) -> None:
    """A go.mod that is a link, a folder, and a file with a comment and CRLF."""
    r = GitRepo(out, "symmod")
    sub = "module github.com/x/symmod/sub\n"
    r.raw("go.mod", "real.mod", "120000")
    r.raw("real.mod", "module github.com/x/symmod\n")
    r.raw("a.go", "package a\n")
    r.commit()
    r.tag("v1.0.0")
    r.clear()
    r.raw("go.mod/x.go", "package x\n")
    r.raw("sub/go.mod", sub)
    r.raw("LICENSE/x", "x\n")
    r.commit()
    r.tag("v1.1.0", "sub/v1.1.0")
    r.clear()
    r.raw("go.mod", "module\tgithub.com/x/symmod // c\r\n")
    r.raw("License", "x\n")
    r.raw("sub/go.mod", sub)
    r.commit()
    r.tag("v1.2.0", "sub/v1.2.0")


def big(out: Path) -> None:
    """A go.mod and a LICENSE just over their limits."""
    r = GitRepo(out, "big")
    r.raw("go.mod", "module github.com/x/big\n//" + "x" * GO_MOD_LIMIT + "\n")
    r.raw("LICENSE", "x")
    r.commit()
    r.tag("v1.0.0")
    r.raw("go.mod", "module github.com/x/big\n")
    r.raw("LICENSE", b"x" * (LICENSE_LIMIT + 1))
    r.commit()
    r.tag("v1.1.0")
