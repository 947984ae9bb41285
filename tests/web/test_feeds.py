"""What is held, as `/index` and `/catalog` tell it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.ports import FeedEntry
from tests.fakes.services import FakeWorld
from tests.web.edge import Edge, running_edge

AT = 1_554_923_332_997_264  # 2019-04-10T19:08:52.997264Z


@pytest.fixture
def fed(edge: Edge) -> Edge:
    """Three entries: with six digits behind the point, with one, and with none; the second is gone."""
    edge.world.feed.entries = [
        FeedEntry("golang.org/x/text", "v0.3.0", AT),
        FeedEntry("github.com/BurntSushi/toml", "v1.0.0-RC1+incompatible", AT + 102_736),
        FeedEntry("golang.org/x/net", "v0.1.0", AT + 1_002_736),
    ]
    edge.world.feed.gone = {"github.com/BurntSushi/toml"}
    return edge


def paths(edge: Edge, query: str) -> list[str]:
    """The last element of each path that a request for the index gives."""
    answer = edge.get(f"/index{query}")
    assert answer.status == 200, answer.text
    return [json.loads(line)["Path"].rpartition("/")[2] for line in answer.text.splitlines()]


def test_index_is_lines_of_json(fed: Edge) -> None:
    """Each line has path, version and time as Go writes it, without zeros at the end; nothing of it is kept by a cache."""
    answer = fed.get("/index?include=all")
    assert answer.text == (
        '{"Path":"golang.org/x/text","Version":"v0.3.0","Timestamp":"2019-04-10T19:08:52.997264Z"}\n'
        '{"Path":"github.com/BurntSushi/toml","Version":"v1.0.0-RC1+incompatible","Timestamp":"2019-04-10T19:08:53.1Z"}\n'
        '{"Path":"golang.org/x/net","Version":"v0.1.0","Timestamp":"2019-04-10T19:08:54Z"}\n'
    )
    assert answer.headers["cache-control"] == "no-store"
    assert paths(fed, "") == ["text", "net"]
    assert paths(fed, "?since=&limit=&include=") == ["text", "net"]


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2019-04-10T19:08:52.997264Z", 3),
        ("2019-04-10T19:08:52.997264001Z", 2),
        ("2019-04-10t21:08:53.1+02:00", 2),
        ("2019-04-10T12:08:53.100001-07:00", 1),
        ("2019-04-10T19:08:54Z", 1),
        ("2019-04-10T19:08:55Z", 0),
        ("0001-01-01T00:00:00Z", 3),
        ("9999-12-31T23:59:59.999999999-23:59", 0),
    ],
)
def test_since_is_inclusive(fed: Edge, since: str, found: int) -> None:
    """What is at that very time counts; times have zones, and nanoseconds, and a plus sign that need not be encoded."""
    for text in (since, quote(since, safe="")):
        assert len(paths(fed, f"?include=all&since={text}")) == found, text


def test_limit(fed: Edge) -> None:
    """At most `limit` entries come, and never more than 2000."""
    assert paths(fed, "?include=all&limit=2") == ["text", "toml"]
    fed.world.feed.entries = [FeedEntry("x.test/m", f"v0.{n}.0", n + 1) for n in range(2500)]
    for query in ("", "?limit=2000", "?limit=2001", "?limit=999999999"):
        assert len(paths(fed, query)) == 2000, query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "limit='0': allowed is a whole number, from 1 to 2000"),
        ("limit=-1", "limit='-1'"),
        ("limit=2147483648", "limit='2147483648'"),
        ("limit=1e3", "limit='1e3'"),
        ("limit=%D9%A3", "limit='\\u0663'"),
        ("since=yesterday", "such as 2019-04-10T19:08:52.997264Z"),
        ("since=2019-04-10", "since='2019-04-10'"),
        ("since=2019-02-30T00:00:00Z", "since="),
        ("since=2019-04-10T19:08:52.1234567890Z", "since="),
        ("since=2019-04-10T19:08:52+99:00", "since="),
        ("since=1554923332", "since="),
        ("include=some", "include='some': allowed is all"),
        ("since=%FF", "UTF-8"),
    ],
)
def test_wrong_parameters_of_the_index(fed: Edge, query: str, said: str) -> None:
    """What cannot be meant is 400, and the text says what is allowed."""
    answer = fed.get(f"/index?{query}")
    assert answer.status == 400
    assert said in answer.text


def test_catalog_pages(fed: Edge) -> None:
    """A page has its modules and the next one's token; the last one has none, also where it is full."""
    whole = json.loads(fed.get("/catalog").body)
    held = [
        {"module": "golang.org/x/text", "version": "v0.3.0"},
        {"module": "golang.org/x/net", "version": "v0.1.0"},
    ]
    assert whole == {"modules": held}
    first = json.loads(fed.get("/catalog?pagesize=1").body)
    assert first["modules"] == held[:1]
    assert json.loads(fed.get(f"/catalog?pagesize=1&token={first['next']}").body) == {"modules": held[1:]}
    fed.world.feed.entries = []
    assert fed.get("/catalog").body == b'{"modules":[]}\n'


@pytest.mark.parametrize(
    "query", ["pagesize=0", "pagesize=-1", "pagesize=2147483648", "token=x|v1", "token=-1"]
)
def test_wrong_parameters_of_the_catalog(fed: Edge, query: str) -> None:
    """What cannot be meant is 400."""
    answer = fed.get(f"/catalog?{query}")
    assert (answer.status, "allowed is" in answer.text) == (400, True)


def test_state_that_is_down(fed: Edge) -> None:
    """A feed that cannot be read is an outage, and no empty feed."""
    fed.world.feed.failure = StorageError("the state database is locked")
    for path in ("/index", "/catalog"):
        assert (fed.get(path).status, fed.get(path).headers["cache-control"]) == (503, "no-store")


def test_every_answered_file_is_told(world: FakeWorld) -> None:
    """Files count by their keys, below a prefix too, and also when the shortest way answers them; nothing else does."""
    world.modules.hold_file("x.test/m/@v/v1.0.0.mod", b"module x.test/m\n")
    world.modules.hold_text("x.test/m/@v/list", b"v1.0.0\n")
    with running_edge(world, prefix="/go") as edge:
        for _ in range(3):
            assert edge.get("/go/x.test/m/@v/v1.0.0.mod").status == 200
        assert edge.get("/go/x.test/m/@v/v1.0.0.mod", method="HEAD").status == 200
        assert edge.get("/go/x.test/m/@v/list").status == 200
        assert edge.get("/go/x.test/m/@v/v2.0.0.mod").status == 404
    assert world.touched == ["x.test/m/@v/v1.0.0.mod"] * 4
    assert (
        len(world.modules.asked) == 5
    )  # two of the six came the short way, and one of them asked for what is not there
