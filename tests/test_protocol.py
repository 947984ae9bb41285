"""Paths to requests. The ids P01 to P36 are those of the list of bad inputs, the numbers those of the conformance cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.errors import BadRequest, InvalidPath, InvalidVersion, MirrorError, NotFound
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.protocol import (
    MAX_PATH,
    File,
    Latest,
    List,
    Request,
    Resolve,
    SumDB,
    file_key,
    parse,
)

PSEUDO = "v1.2.4-0.20240209043000-0123456789ab"


def path(text: str) -> ModulePath:
    return ModulePath(text)


def file(module: str, version: str, kind: FileKind) -> File:
    return File(ModuleVersion(path(module), Version(version)), kind)


REQUESTS: list[tuple[str, Request]] = [
    ("golang.org/x/text/@v/list", List(path("golang.org/x/text"))),
    ("golang.org/x/text/@latest", Latest(path("golang.org/x/text"))),
    ("golang.org/x/text/@v/v0.3.0.info", file("golang.org/x/text", "v0.3.0", FileKind.INFO)),
    ("golang.org/x/text/@v/v0.3.0.mod", file("golang.org/x/text", "v0.3.0", FileKind.MOD)),
    ("golang.org/x/text/@v/v0.3.0.zip", file("golang.org/x/text", "v0.3.0", FileKind.ZIP)),
    ("github.com/!azure/!x/@v/v1.0.0-!r!c1.info", file("github.com/Azure/X", "v1.0.0-RC1", FileKind.INFO)),
    ("x.y/z/v2/@v/v2.0.0.zip", file("x.y/z/v2", "v2.0.0", FileKind.ZIP)),
    ("x.y/z/@v/v2.0.0+incompatible.mod", file("x.y/z", "v2.0.0+incompatible", FileKind.MOD)),
    ("x.y/z/@v/v1.0.0+incompatible.info", file("x.y/z", "v1.0.0+incompatible", FileKind.INFO)),
    (f"x.y/z/@v/{PSEUDO}.info", file("x.y/z", PSEUDO, FileKind.INFO)),
    ("gopkg.in/yaml.v3/@v/v3.0.1.mod", file("gopkg.in/yaml.v3", "v3.0.1", FileKind.MOD)),
    ("gopkg.in/check.v1/@v/v0.0.0-20161208181325-20d25e280405.mod", file("gopkg.in/check.v1", "v0.0.0-20161208181325-20d25e280405", FileKind.MOD)),
    ("golang.org/toolchain/@v/v0.0.1-go1.27.3.linux-amd64.zip", file("golang.org/toolchain", "v0.0.1-go1.27.3.linux-amd64", FileKind.ZIP)),
    ("x.y/z/@v/main.info", Resolve(path("x.y/z"), Query("main"))),
    ("x.y/z/@v/!feature.info", Resolve(path("x.y/z"), Query("Feature"))),
    ("x.y/z/@v/0123abc.info", Resolve(path("x.y/z"), Query("0123abc"))),
    ("x.y/z/@v/v1.info", Resolve(path("x.y/z"), Query("v1"))),
    ("x.y/z/@v/v1.2.info", Resolve(path("x.y/z"), Query("v1.2"))),
    ("x.y/z/@v/v1.0.0+meta.info", Resolve(path("x.y/z"), Query("v1.0.0+meta"))),
    ("x.y/z/@v/v2.0.0.info", Resolve(path("x.y/z"), Query("v2.0.0"))),
    ("x.y/z/@v/v2.0.1-0.20240209043000-0123456789ab.info", Resolve(path("x.y/z"), Query("v2.0.1-0.20240209043000-0123456789ab"))),
    ("x.y/z/v2/@v/v2.info", Resolve(path("x.y/z/v2"), Query("v2"))),
    ("x.y/z/@v/list.info", Resolve(path("x.y/z"), Query("list"))),
    ("x.y/z/@v/.info.info", Resolve(path("x.y/z"), Query(".info"))),
    ("sumdb/sum.golang.org/supported", SumDB("sum.golang.org", "supported")),
    ("sumdb/sum.golang.org/latest", SumDB("sum.golang.org", "latest")),
    ("sumdb/sum.golang.org/tile/8/0/x123/456", SumDB("sum.golang.org", "tile/8/0/x123/456")),
    ("sumdb/sum.golang.org/tile/8/data/000.p/17", SumDB("sum.golang.org", "tile/8/data/000.p/17")),
    ("sumdb/sum.golang.org/tile/8/63/x009/x223/x372/x036/x854/x775/807", SumDB("sum.golang.org", "tile/8/63/x009/x223/x372/x036/x854/x775/807")),
    ("sumdb/sum.golang.org/lookup/github.com/!azure/x@v1.0.0", SumDB("sum.golang.org", "lookup/github.com/!azure/x@v1.0.0", path("github.com/Azure/x"))),
    ("sumdb/sum.golang.org/lookup/x.y/tile/8/latest@v1.0.0", SumDB("sum.golang.org", "lookup/x.y/tile/8/latest@v1.0.0", path("x.y/tile/8/latest"))),
    ("sumdb/corp.example:8443/sums/go/supported", SumDB("corp.example:8443/sums/go", "supported")),
    ("sumdb/corp.example/sums/lookup/x.y/z/v2@v2.0.0+incompatible", SumDB("corp.example/sums", "lookup/x.y/z/v2@v2.0.0+incompatible", path("x.y/z/v2"))),
]  # fmt: skip

# What no go command sends. The text is as the server hands it on: decoded once, undecodable bytes as U+FFFD.
MALFORMED = {
    "P01": "/../etc",
    "P01 within": "x.y/a/../b/@v/list",
    "P02": "../x.y/z/@v/list",
    "P03": "x.y/%2e/@v/list",
    "P04": "////../@v/list",
    "P05": "x.y\\../@v/list",
    "P06": "x.y/z\x00/@v/list",
    "P07": "x.y/z\r\n/@v/list",
    "P08": "x.y/\u0438/@v/list",
    "P09": "x.y/\ufffd\ufffd/@v/list",
    "P10": "x.y/\ufffd\ufffd\ufffd/@v/list",
    "P10 surrogate": "x.y/\ud800/@v/list",
    "P11": "x.y/\u200f/@v/list",
    "P24": "x.y/" + "a" * 100_000 + "/@v/list",
    "P25": "x.y" + "/a" * 10_000 + "/@v/list",
    "P28": "x.y/z/@v/v1/../..",
    "28": "x.y/z/@v/feature%2Ffoo.info",
    "dot": "x.y/./z/@v/list",
    "S10": "sumdb/sum.golang.org/tile/8/0/x009/x223/x372/x036/x854/x775/808",
    "S10 larger": "sumdb/sum.golang.org/tile/8/0" + "/x999" * 9 + "/999",
    "S11": "sumdb/sum.golang.org/tile/../latest",
    "S11 name": "sumdb/../supported",
    "tile height": "sumdb/sum.golang.org/tile/31/0/000",
    "tile level": "sumdb/sum.golang.org/tile/8/64/000",
    "tile width": "sumdb/sum.golang.org/tile/8/0/000.p/256",
    "tile no width": "sumdb/sum.golang.org/tile/8/0/000.p/0",
    "tile huge width": "sumdb/sum.golang.org/tile/8/0/000.p/" + "9" * 5000,
    "tile short": "sumdb/sum.golang.org/tile/8/0/00",
    "tile spelt longer": "sumdb/sum.golang.org/tile/8/0/x000/000",
    "tile without x": "sumdb/sum.golang.org/tile/8/0/001/000",
    "tile behind": "sumdb/sum.golang.org/tile/8/0/000/",
    "lookup without version": "sumdb/sum.golang.org/lookup/x.y/z",
    "lookup of a file": "sumdb/sum.golang.org/lookup/x.y/z@v1.0.0/go.mod",
}  # fmt: skip

# Well formed, and no module path: (404, so that the go command can go on to its next proxy).
NO_PATH = {
    "P12": "github.com/Azure/x",
    "P13": "x.y/z!",
    "P14": "x.y/!A",
    "P15": "x.y/!1",
    "P16": "x.y/a//b",
    "P17": "-x.com/a",
    "P18": "x.y/.git",
    "P19": "x.y/con",
    "P20": "x.y/foo~1",
    "P21": "nodot/x",
    "P22": "x.y/{}",
    "P23": "x.y/a@b",
    "3": "github.com/x/UpPer",
    "5": "github.com/!0x/y",
    "6": "github.com/!!x/y",
    "10": "x.y/z/v1",
    "11": "x.y/z/v0",
    "12": "x.y/z/v02",
    "13": "x.y/z/v2.0",
    "14": "gopkg.in/yaml",
    "15": "gopkg.in/gopkg.v02",
    "16": "gopkg.in/gopkg.v2/abc",
    "17": "x.y/aux.foo",
    "18": "x.y/com1.txt",
    "19": "x.y/z~09",
    "20": ".x/z",
    "22": "x.y+/z",
    "23": "_x.y/z",
    "24": "x.y/z++",
    "space": "x.y/a b",
    "slash": "//x.y",
    "sumdb": "sumdb/x.y",
}  # fmt: skip

NO_VERSION = {
    "P26": "-x.info",
    "P26 zip": "-x.zip",
    "P27": "/x.info",
    "28": "feature/foo.info",
    "P29 mod": "v01.0.0.mod",
    "P30": "v1.zip",
    "P31 zip": "v99999999999999999999.0.0.zip",
    "P33": "latest.zip",
    "P34": ".info.zip",
    "29": "main.mod",
    "30": "main.zip",
    "metadata": "v1.0.0+meta.mod",
    "capital": "v1.0.0-RC1.info",
    "no name": ".info",
    "dots": "..info",
    "device": "con.info",
    "major of a mod": "v2.0.0.mod",
    "major of a zip": "v2.0.0.zip",
    "colon": "a:b.info",
}  # fmt: skip

NO_REQUEST = {
    "P35": "x.y/z/@v/list/",
    "31": "x.y/z/@v/latest.info",
    "32": "x.y/z/@v/upgrade.info",
    "33": "x.y/z/@v/patch.info",
    "34": "x.y/z/@v/v1.0.0.txt",
    "no ending": "x.y/z/@v/v1",
    "nothing": "",
    "no module": "/@v/list",
    "module alone": "x.y/z",
    "only @latest": "@latest",
    "@v alone": "x.y/z/@v/",
    "deeper": "x.y/z/@latest/x",
    "capital list": "x.y/z/@v/LIST",
    "capital ending": "x.y/z/@v/v1.0.0.INFO",
    "long element": "x.y/" + "a" * 256 + "/@v/list",
    "long version": "x.y/z/@v/" + "a" * 252 + ".info",
    "sumdb alone": "sumdb/",
    "sumdb without name": "sumdb//supported",
    "sumdb operation": "sumdb/sum.golang.org/other",
    "sumdb deeper": "sumdb/sum.golang.org/supported/x",
    "sumdb name": "sumdb/sum golang/supported",
    "sumdb name with a mark": "sumdb/a@b/supported",
    "sumdb lookup path": "sumdb/sum.golang.org/lookup/nodot@v1.0.0",
    "sumdb lookup version": "sumdb/sum.golang.org/lookup/x.y/z@main",
    "sumdb lookup major": "sumdb/sum.golang.org/lookup/x.y/z@v2.0.0",
}  # fmt: skip


def ids(table: dict[str, str]) -> list[object]:
    return [pytest.param(text, id=name) for name, text in table.items()]


@pytest.mark.parametrize(("text", "expected"), REQUESTS)
def test_requests(text: str, expected: Request) -> None:
    """Every path of the protocol is one request, with or without a leading slash, and is that request's key."""
    assert parse(text) == parse("/" + text) == expected
    assert expected.key == text


@pytest.mark.parametrize("text", ids(MALFORMED))
def test_malformed(text: str) -> None:
    """What no go command sends is a bad request, and the message does not carry it on."""
    with pytest.raises(BadRequest) as caught:
        parse(text)
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < MAX_PATH + 100


@pytest.mark.parametrize("ending", ["/@v/list", "/@latest", "/@v/v1.0.0.info", "/@v/main.zip"])
@pytest.mark.parametrize("module", ids(NO_PATH))
def test_no_module_path(module: str, ending: str) -> None:
    """A path that can be no module's is not found, whatever is asked of it."""
    with pytest.raises(NotFound) as caught:
        parse(module + ending)
    assert isinstance(caught.value, InvalidPath) or module == "sumdb/x.y"


@pytest.mark.parametrize("name", ids(NO_VERSION))
def test_no_version(name: str) -> None:
    """What can be no version, or none of the path, is not found; the message names the module."""
    with pytest.raises(InvalidVersion, match=r"^x\.y/z: "):
        parse(f"x.y/z/@v/{name}")


@pytest.mark.parametrize("kind", ["info", "mod", "zip"])
def test_p32_a_version_of_another_major(kind: str) -> None:
    """P32: a path with a major version has no versions of another, and no query could find one."""
    with pytest.raises(InvalidVersion, match="should be v2, not v1"):
        parse(f"x.y/z/v2/@v/v1.0.0.{kind}")


def test_p29_p31_are_for_those_who_know_the_repository() -> None:
    """P29, P31: a tag of any form may exist, so whether it does is not decided here."""
    assert parse("x.y/z/@v/v01.0.0.info") == Resolve(path("x.y/z"), Query("v01.0.0"))
    assert isinstance(parse("x.y/z/@v/v99999999999999999999.0.0.info"), Resolve)


@pytest.mark.parametrize("text", ids(NO_REQUEST))
def test_no_request(text: str) -> None:
    """What the protocol does not have is not found."""
    with pytest.raises(NotFound):
        parse(text)


def test_p36_case_makes_another_module() -> None:
    """P36: `!foo` and `foo` are two modules with two keys."""
    one, other = parse("x.y/!foo/@v/list"), parse("x.y/foo/@v/list")
    assert one != other
    assert one.key != other.key


def test_a_path_of_greatest_length() -> None:
    """The longest path is served, the next is refused."""
    module = "x.y" + "/aaaaaaaaa" * 203
    text = f"{module}/{'b' * (MAX_PATH - len(module) - 9)}/@v/list"
    assert len(text) == MAX_PATH
    assert isinstance(parse(text), List)
    with pytest.raises(BadRequest):
        parse("/" + text)


def test_requests_name_themselves() -> None:
    """A request as text is what a person would call it."""
    texts = [
        "x.y/z/@v/list",
        "x.y/z/@latest",
        "x.y/z/@v/main.info",
        "x.y/!z/@v/v1.0.0.mod",
        "sumdb/a.b/latest",
    ]
    expected = ["the versions of x.y/z", "x.y/z@latest", "x.y/z@main", "x.y/Z@v1.0.0.mod", "latest of a.b"]
    assert [str(parse(text)) for text in texts] == expected
    mv = ModuleVersion(path("x.y/Z"), Version("v1.0.0"))
    assert file_key(mv, FileKind.MOD) == "x.y/!z/@v/v1.0.0.mod"


@given(
    st.text("x.y/z@v!A0-+~%\\ list.info\x00é", max_size=40)
    | st.text(max_size=40).map(lambda text: f"x.y/{text}/@v/{text}.info")
)
def test_any_path_is_a_request_with_that_key_or_refused(text: str) -> None:
    """No path leads to another's key: what is accepted is spelt in one way only, and nothing but a refusal is raised."""
    try:
        request = parse(text)
    except MirrorError:
        return
    assert "/" + request.key == "/" + text.removeprefix("/")
    assert not {"", ".", ".."} & set(request.key.split("/"))
