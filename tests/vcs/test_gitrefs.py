"""What a remote advertises: `goproxy_mirror.vcs.gitrefs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.vcs import gitrefs

A, B, C = "a" * 40, "b" * 40, "c" * 40


def line(oid: str, name: str) -> bytes:
    return f"{oid}\t{name}".encode()


def test_parse__heads_tags_and_where_annotated_tags_lead() -> None:
    """`NAME^{}` is where an annotated tag leads to at last; all else but heads, tags and HEAD is passed over."""
    lines = [
        line(A, "HEAD"),
        line(A, "refs/heads/feature/x"),
        line(B, "refs/pull/1/head"),
        line(B, "refs/tags/v1"),
    ]
    lines += [line(C, "refs/tags/v1^{}"), line(C, "refs/tags/v2"), b"", b"warning: x"]
    found = gitrefs.parse(lines, 5.0)
    assert found.refs.head == A
    assert found.refs.heads == {"feature/x": A}
    assert found.refs.tags == {"v1": B, "v2": C}
    assert found.refs.peeled == {"v1": C}
    assert [found.id_of(ref) for ref in ("HEAD", "refs/heads/feature/x", "refs/tags/v1", "refs/tags/v2")] == [
        A,
        A,
        C,
        C,
    ]
    assert [found.id_of(ref) for ref in ("v1", "refs/tags/x", "refs/pull/1/head")] == [None, None, None]
    assert found.name_of(C) == "refs/tags/v1"
    assert not found.sha256


def test_parse__an_empty_repository() -> None:
    """Nothing is advertised, and that is an answer."""
    found = gitrefs.parse([], 1.0)
    assert found.refs.head is None
    assert not found.sha256
    assert list(found.names()) == []


def test_parse__sha256() -> None:
    """The length of the ids says how the repository names its objects."""
    assert gitrefs.parse([line("d" * 64, "refs/heads/main")], 1.0).sha256


@pytest.mark.parametrize(
    "name",
    ["a b", "a\x7f", "a~1", "a^b", "a:b", "a?", "a*", "a[b", "a\\b", "a..b", "a@{b", "a//b", "/a", "a/", "a.", ".a",
     "a/.b", "a.lock", "a.lock/b", ""],
)  # fmt: skip
def test_parse__names_that_git_itself_forbids_are_dropped(name: str) -> None:
    """A server may say anything; no such name ever comes back to git."""
    found = gitrefs.parse([line(A, f"refs/tags/{name}"), line(A, f"refs/heads/{name}")], 1.0)
    assert not found.refs.tags
    assert not found.refs.heads


@pytest.mark.parametrize(
    "name", ["--upload-pack=x", "$(id)", "<script>", "ｖ１", "v1.0.0+meta", "-", "a@b", "日本/é"]
)
def test_parse__strange_names_that_git_permits_are_kept(name: str) -> None:
    """They are data here, and never become an option."""
    assert name in gitrefs.parse([line(A, f"refs/tags/{name}")], 1.0).refs.tags


def test_parse__a_name_that_is_no_utf8() -> None:
    """git promises no encoding; the bytes survive."""
    found = gitrefs.parse([A.encode() + b"\trefs/heads/caf\xe9"], 1.0)
    (name,) = found.refs.heads
    assert name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_keep__another_process_reads_the_same(tmp_path: Path) -> None:
    """What is kept is read again as long as it is fresh."""
    lines = [
        line(A, "HEAD"),
        line(B, "refs/tags/v1"),
        line(C, "refs/tags/v1^{}"),
        A.encode() + b"\trefs/heads/caf\xe9",
    ]
    kept = gitrefs.keep(tmp_path / "new" / "refs", lines, 100.25)
    assert gitrefs.load(tmp_path / "new" / "refs", 100.25, 100.25) == kept
    assert gitrefs.load(tmp_path / "new" / "refs", 100.5, 200.0) is None
    assert gitrefs.load(tmp_path / "new" / "refs", 0.0, 100.0) is None, (
        "from the future, after the clock was set back"
    )


@pytest.mark.parametrize("content", [b"", b"rubbish\n", b"refs 1 x\n", b"refs 2 5.0\n", b"\xff"])
def test_load__damage_is_absence(tmp_path: Path, content: bytes) -> None:
    """A damaged file costs a look at the remote, nothing else."""
    (tmp_path / "refs").write_bytes(content)
    assert gitrefs.load(tmp_path / "refs", 0.0, 10.0) is None
    assert gitrefs.load(tmp_path / "none", 0.0, 10.0) is None
