"""Which files belong into a module zip, and the zip that is written (golang.org/x/mod/zip's rules)."""

from __future__ import annotations

import itertools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from goproxy_mirror.errors import Unbuildable
from goproxy_mirror.module import modzip
from goproxy_mirror.module.dirhash import hash_zip
from goproxy_mirror.module.modfile import GoMod
from goproxy_mirror.module.modzip import MAX_GO_MOD, MAX_ZIP, Checked, ZipWriter, check_files, zip_prefix
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipmember import packed, unpacked
from goproxy_mirror.module.zipreader import ZipReader

FILE, PROGRAM, SYMLINK, GITLINK = 0o100644, 0o100755, 0o120000, 0o160000


@dataclass(frozen=True)
class Entry:
    path: bytes
    mode: int = FILE
    size: int | None = 1


def check(*names: str, go: str | None = None) -> Checked[Entry]:
    """Check regular files of these names; `go` is the version that the tree's go.mod states."""
    return check_files([Entry(name.encode()) for name in names], None if go is None else GoMod(go=go))


def valid(checked: Checked[Entry]) -> list[str]:
    return [entry.path.decode() for entry in checked.valid]


VENDORED = [
    # A name, and whether it is left out before go 1.24 and from then on.
    ("vendor/modules.txt", False, True),
    ("vendor/x.go", False, False),
    ("vendor/example.com/x.go", True, True),
    ("vendor/a/b/c/x.go", True, True),
    ("pkg/vendor/x.go", True, False),
    ("pkg/vendor/modules.txt", True, False),
    ("pkg/vendor/a/x.go", True, True),
    ("longpackagename/vendor/x.go", True, False),
    ("pk/vendor.go", False, False),
    ("vendors/a/x.go", False, False),
    ("vendor", False, False),
]  # fmt: skip

NAMES = [
    ("a b/ü.go", None),
    ("a%20#&[]{}~!$+=@^_,().go", None),
    ("\u4e2d\u6587.md", None),
    (".gitignore", None),
    ("a:b", "invalid char ':'"),
    ("a*", "invalid char '*'"),
    ("a\\b", "invalid char"),
    ("a\n", r"invalid char '\n'"),
    ("con.txt", '"con" disallowed'),
    ("x/NUL", '"NUL" disallowed'),
    ("\U0001f600.txt", "invalid char"),
    ("e\u0301.txt", "invalid char"),
    ("a.", "trailing dot"),
    ("..", "invalid path element"),
    ("../x", "invalid path element"),
    ("a/../b", "file path is not clean"),
    ("a//b", "file path is not clean"),
    ("./a", "file path is not clean"),
    ("a/", "file path is not clean"),
    ("/a", "file path is not relative"),
    ("GO.MOD", "go.mod files must have lowercase names"),
    ("Go.mod", "go.mod files must have lowercase names"),
]  # fmt: skip

COLLISIONS = [
    ("README", "readme"),
    ("Dir/a", "dir/b"),
    ("a/B/c", "a/b/d"),
    ("k", "\u212a"),
    ("\u017f", "s"),
    ("\ufb05", "\ufb06"),
    ("a", "A/b"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new"), VENDORED)
def test_vendored_files_are_left_out(name: str, old: bool, new: bool) -> None:
    """Vendored packages are left out; which files those are changed with go 1.24."""
    for go, omitted in (
        (None, old),
        ("1.23", old),
        ("", old),
        ("1.24", new),
        ("1.24rc1", new),
        ("1.99", new),
    ):
        checked = check(name, go=go)
        assert bool(checked.omitted) is omitted, go
        assert bool(checked.valid) is not omitted
        assert all(reason == "file is in vendor directory" for _, reason in checked.omitted)


def test_nested_modules_are_left_out() -> None:
    """A folder below the root with a regular go.mod file, in whatever case, is another module."""
    checked = check(
        "go.mod",
        "a.go",
        "sub/a.go",
        "sub/go.mod",
        "sub/deep/er/b.go",
        "other/GO.MOD",
        "other/c.go",
        "subs/d.go",
    )
    assert valid(checked) == ["go.mod", "a.go", "subs/d.go"]
    assert {reason for _, reason in checked.omitted} == {"file is in another module"}
    assert checked.problem is None


def test_a_link_named_go_mod_makes_no_module() -> None:
    """A symbolic link or a folder named go.mod does not make its folder a module."""
    checked = check_files(
        [Entry(b"a/go.mod", SYMLINK), Entry(b"a/b.go"), Entry(b"c/go.mod/d.go"), Entry(b"c/e.go")]
    )
    assert valid(checked) == ["a/b.go", "c/go.mod/d.go", "c/e.go"]


def test_links_and_submodules_are_left_out() -> None:
    """Symbolic links and submodules are no files of a module; programs are, without their bit."""
    checked = check_files(
        [
            Entry(b"l", SYMLINK),
            Entry(b"s", GITLINK, None),
            Entry(b"p", PROGRAM),
            Entry(b".hg_archival.txt"),
            Entry(b"x/.hg_archival.txt"),
        ]
    )
    assert valid(checked) == ["p", "x/.hg_archival.txt"]
    assert [entry.path for entry, _ in checked.omitted] == [b"l", b"s", b".hg_archival.txt"]


@pytest.mark.parametrize(("name", "reason"), NAMES)
def test_names(name: str, reason: str | None) -> None:
    """One name that some system cannot have forbids the whole zip."""
    problem = check("go.mod", name).problem
    assert problem is None if reason is None else problem is not None and reason in problem


def test_a_name_that_is_not_utf8() -> None:
    """A name must be text."""
    assert check_files([Entry(b"a\xff")]).problem == r"a\xff: invalid UTF-8"


@pytest.mark.parametrize("name", ["a:b", "con.txt", "readme", "\U0001f600"])
def test_bad_names_do_no_harm_in_what_is_left_out(name: str) -> None:
    """Vendored and nested files may have any name; a link must not."""
    checked = check("README", f"vendor/x/{name}", "sub/go.mod", f"sub/{name}")
    assert checked.problem is None
    assert check_files([Entry(b"README"), Entry(name.encode(), SYMLINK)]).problem


@pytest.mark.parametrize(("left", "right"), COLLISIONS)
def test_names_that_differ_in_case_alone(left: str, right: str) -> None:
    """Two files or folders that would be one where case is folded forbid the zip, in either order."""
    for names in ((left, right), (right, left)):
        assert "collision" in (check(*names).problem or "")


def test_a_file_where_a_folder_is() -> None:
    """A name cannot be a file and a folder, nor two files."""
    assert "both a file and a directory" in (check("a", "a/b").problem or "")
    assert "both a file and a directory" in (check("a/b", "a").problem or "")
    assert "multiple entries" in (check("a", "a").problem or "")
    assert check("a/b", "a/c", "a/d/e", "a/d/f").problem is None


def test_a_link_that_stands_twice() -> None:
    """A hostile tree may name a link twice; it is left out as if it stood there once."""
    checked = check_files([Entry(b"l", SYMLINK), Entry(b"l", SYMLINK), Entry(b"a")])
    assert (valid(checked), checked.problem) == (["a"], None)


def test_deep_trees_are_checked_without_recursion() -> None:
    """A tree of any depth is checked."""
    deep = "x/" * 5000
    assert len(check(deep + "a", deep + "b", deep + "c/go.mod", deep + "c/d").valid) == 2


def test_sizes() -> None:
    """The files together, go.mod and LICENSE have limits; the last two in the root alone."""
    big = MAX_GO_MOD + 1
    assert check_files([Entry(b"a", size=MAX_ZIP)]).problem is None
    assert "too large" in (check_files([Entry(b"a", size=MAX_ZIP), Entry(b"b")]).problem or "")
    assert check_files([Entry(b"link", SYMLINK, MAX_ZIP), Entry(b"b", size=MAX_ZIP)]).problem is None
    assert "go.mod file too large" in (check_files([Entry(b"go.mod", size=big)]).problem or "")
    assert "LICENSE file too large" in (check_files([Entry(b"LICENSE", size=big)]).problem or "")
    assert check_files([Entry(b"x/LICENSE", size=big), Entry(b"go.mod", size=MAX_GO_MOD)]).problem is None


def test_the_problem_names_the_first_few_files() -> None:
    """A tree with a thousand bad names does not make a message of a thousand lines."""
    problem = check(*(f"a{number}:" for number in range(1000))).problem or ""
    assert problem.splitlines()[0] == "a0:: invalid char ':'"
    assert problem.splitlines()[-1] == "and 995 more files"


def test_written_container(tmp_path: Path) -> None:
    """The zip has the go command's container: order kept, all deflated, no times, attributes, extras or folders."""
    path = tmp_path / "m.zip"
    mv = ModuleVersion(ModulePath("example.com/m"), Version("v1.0.0"))
    contents = {"z.go": b"package z\n" * 1000, "a/b.go": b"", "é": b"x", "go.mod": b"module example.com/m\n"}
    with ZipWriter(path, zip_prefix(mv)) as writer:
        for name, content in contents.items():
            writer.add(name, [content[:5], content[5:]])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [info.filename for info in archive.infolist()] == [
            f"example.com/m@v1.0.0/{name}" for name in contents
        ]
        for info, content in zip(archive.infolist(), contents.values(), strict=True):
            assert archive.read(info) == content
            assert info.flag_bits == (0x808 if "é" in info.filename else 0x8)
            assert (info.compress_type, info.create_version, info.extract_version, info.create_system) == (
                8,
                20,
                20,
                0,
            )
            assert (info.date_time, info.external_attr, info.internal_attr) == ((1980, 0, 0, 0, 0, 0), 0, 0)
            assert (info.extra, info.comment) == (b"", b"")
        assert archive.comment == b""
    assert writer.hash == hash_zip(path)


def test_a_name_that_other_encodings_read_differently_is_marked(tmp_path: Path) -> None:
    """A tilde anywhere in the name, the module path included, sets the UTF-8 flag, as Go does."""
    path = tmp_path / "m.zip"
    with ZipWriter(path, "example.com/~m@v1.0.0/") as writer:
        writer.add("a", [b""])
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].flag_bits == 0x808


def test_an_empty_module(tmp_path: Path) -> None:
    """A module may have no file at all."""
    path = tmp_path / "m.zip"
    with ZipWriter(path, "example.com/m@v1.0.0/") as writer:
        pass
    assert writer.hash == hash_zip(path) == "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_more_files_than_a_plain_zip_can_count(tmp_path: Path) -> None:
    """From 65,535 files on, the count stands in ZIP64 records."""
    path = tmp_path / "m.zip"
    with ZipWriter(path, "m@v/") as writer:
        for number in range(0xFFFF):
            writer.add(f"f{number}", ())
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 0xFFFF
    with ZipReader(path) as reader:
        assert len(reader.members) == 0xFFFF


def test_contents_larger_than_the_tree_said(tmp_path: Path) -> None:
    """git may write a file larger than it is stored, so the limits hold while writing too."""
    piece = bytes(1 << 20)
    with (
        pytest.raises(Unbuildable, match=r"go\.mod file too large"),
        ZipWriter(tmp_path / "m.zip", "m@v/") as writer,
    ):
        writer.add("go.mod", itertools.repeat(piece, 17))
    with (
        pytest.raises(Unbuildable, match="source tree too large"),
        ZipWriter(tmp_path / "n.zip", "m@v/") as writer,
    ):
        writer.add("data", itertools.repeat(piece, 501))


def test_an_unfinished_zip_is_no_zip(tmp_path: Path) -> None:
    """What an exception interrupted cannot be taken for a whole zip."""
    path = tmp_path / "m.zip"
    with pytest.raises(Unbuildable), ZipWriter(path, "m@v/") as writer:
        writer.add("go.mod", [b"module x\n", bytes(MAX_GO_MOD)])
    assert not zipfile.is_zipfile(path)


def test_a_piece_without_a_file(tmp_path: Path) -> None:
    """Writing before a file was begun is a mistake of the caller."""
    with (
        ZipWriter(tmp_path / "m.zip", "m@v/") as writer,
        pytest.raises(ValueError, match="no file was begun"),
    ):
        writer.write(b"x")


def test_writer__a_deflate_stream_that_is_there(tmp_path: Path) -> None:
    """It goes into the zip as it is, unless it is longer than what it holds; sums and hash are the same either way."""
    bodies = {"a": b"a" * 5000, "empty": b"", "poor": b"p" * 100}
    hashes = []
    for given in (False, True):
        path = tmp_path / f"{given}.zip"
        with ZipWriter(path, "m@v1.0.0/") as writer:
            for name, data in bodies.items():
                packer = zlib.compressobj(0 if name == "poor" else 9, wbits=-15)
                deflated = packer.compress(data) + packer.flush()
                assert unpacked(packed(data, deflated)) == data
                if given:
                    writer.put(name, packed(data, deflated))
                else:
                    writer.add(name, [data])
        hashes.append(writer.hash)
        with zipfile.ZipFile(path) as made:
            assert {name: made.read(f"m@v1.0.0/{name}") for name in bodies} == bodies
            assert made.testzip() is None
            assert made.getinfo("m@v1.0.0/poor").compress_size < 100
    assert hashes[0] == hashes[1]


def test_writer__deflated_files_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever brings the stream along is held to the same sizes."""
    monkeypatch.setattr(modzip, "MAX_ZIP", 1000)
    with pytest.raises(Unbuildable, match="too large"), ZipWriter(tmp_path / "z", "m@v1.0.0/") as writer:
        writer.put("a", packed(b"a" * 1001))
