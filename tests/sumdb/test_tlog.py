"""Trees, records and their texts: the tables of golang.org/x/mod, the hashes of RFC 6962, and a naive tree."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goproxy_mirror.sumdb.note import Malformed
from goproxy_mirror.sumdb.tlog import (
    EMPTY,
    Node,
    Tree,
    complete_hash,
    cut_record,
    node_hash,
    parse_entry,
    peaks,
    record_hash,
    root_hash,
)
from tests.sumdb import gomod_tables as tables
from tests.sumdb.naive import naive_root

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def root_of(leaves: list[bytes]) -> bytes:
    """The root by way of the peaks."""
    return root_hash(
        [
            complete_hash(b"".join(leaves[peak.index << peak.level :][: 1 << peak.level]))
            for peak in peaks(len(leaves))
        ]
    )


@pytest.mark.parametrize("size", range(1, 9))
def test_hashes_of_certificate_transparency(size: int) -> None:
    """The known roots of the eight known records."""
    assert root_of([record_hash(text) for text in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_the_empty_tree() -> None:
    """RFC 6962 §2.1: the hash of an empty text."""
    assert root_hash([]) == EMPTY == hashlib.sha256().digest()
    assert peaks(0) == ()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 600))
def test_roots_as_the_definition_has_them(size: int) -> None:
    """Any tree's root, against the recursion of RFC 6962."""
    leaves = [record_hash(b"%d" % number) for number in range(size)]
    assert root_of(leaves) == naive_root(leaves)


@given(st.integers(1, (1 << 63) - 1))
def test_peaks_cover_a_tree(size: int) -> None:
    """They stand side by side, shrink to the right, and have all records."""
    end = 0
    for peak in peaks(size):
        assert peak.index << peak.level == end
        end = (peak.index + 1) << peak.level
    assert end == size
    assert [peak.level for peak in peaks(size)] == sorted({peak.level for peak in peaks(size)}, reverse=True)


def test_small_peaks() -> None:
    """The tree of 7 records is 4 and 2 and 1."""
    assert peaks(7) == (Node(2, 0), Node(1, 2), Node(0, 6))
    assert node_hash(b"a" * 32, b"b" * 32) == complete_hash(b"a" * 32 + b"b" * 32)


def test_trees() -> None:
    """The text of a tree, and lines behind it that are for later."""
    tree = Tree.parse(tables.TREE.encode())
    assert tree == Tree(tables.TREE_SIZE, record_hash(tables.TREE_ROOT_IS_OF))
    assert str(tree) == tables.TREE
    for longer in tables.LONGER_TREES:
        assert Tree.parse(longer.encode()) == tree


@pytest.mark.parametrize(
    "text",
    [
        *tables.MALFORMED_TREES,
        tables.TREE[:-1],
        tables.TREE.replace("1234", "-1234"),
        tables.TREE.replace("1234", "01234"),
        tables.TREE.replace("1234", "+1234"),
        tables.TREE.replace("123456789012", "9223372036854775808"),
        tables.TREE.replace("123456789012", ""),
        tables.TREE.replace("tree", "tree v2"),
        tables.TREE.replace("\n", "\r\n"),
        tables.TREE.replace("Tszz", "Tsz"),
        tables.TREE.replace("Tszz", "Ts zz"),
        "",
    ],
)
def test_malformed_trees(text: str) -> None:
    """No tree in any other spelling, nor with a number that Go could not hold."""
    with pytest.raises(Malformed):
        Tree.parse(text.encode())


def test_records() -> None:
    """Number and text of an entry, and what stands behind the blank line."""
    entry, rest = parse_entry(tables.RECORD)
    assert (entry.number, entry.text, rest) == (123456789012, b"hello, world\n", b"junk on end\x01\xff")
    assert bytes(entry) + rest == tables.RECORD
    assert entry.hash == record_hash(b"hello, world\n")
    assert parse_entry(bytes(entry))[1] == b""


@pytest.mark.parametrize(
    "body",
    [
        *tables.MALFORMED_RECORDS,
        b"",
        b"\n",
        b"5",
        b"5\n",
        b"5\n\n",
        b"5\n\n\n",
        b"9223372036854775808\na\n\n",
        b"-5\na\n\n",
    ],
)
def test_malformed_records(body: bytes) -> None:
    """S03 among them: an empty answer is no record."""
    with pytest.raises(Malformed):
        parse_entry(body)


@given(st.lists(st.text(alphabet="abc \t\né", min_size=1, max_size=20), max_size=4), st.binary(max_size=30))
def test_records_are_read_to_their_blank_line(lines: list[str], junk: bytes) -> None:
    """What is read, written again, is what was there; anything else is refused."""
    data = "".join(f"{line}\n" for line in lines).encode() + b"\n" + junk
    try:
        text, rest = cut_record(data)
    except Malformed:
        return
    assert text + b"\n" + rest == data
    assert b"\n\n" not in text
    assert b"\t" not in text


@given(st.binary(max_size=200))
def test_rubbish_is_malformed(data: bytes) -> None:
    """No rubbish raises anything else."""
    for parse in (Tree.parse, parse_entry, cut_record):
        try:
            parse(data)
        except Malformed:
            continue
