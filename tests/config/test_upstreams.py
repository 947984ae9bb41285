"""GOPROXY's syntax."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from goproxy_mirror.config.upstreams import UpstreamStep, parse_upstreams, same_syntax


def test_separators() -> None:
    """A comma lets only an absence fall through, a bar any failure."""
    first, second, third = parse_upstreams("https://a.example,https://b.example|direct")
    assert not first.fall_through_on_any
    assert second.fall_through_on_any
    assert third == UpstreamStep("direct")


@pytest.mark.parametrize("word", ["direct", "off"])
def test_nothing_counts_after_the_last_word(word: str) -> None:
    """As in the go command, nothing after `direct` or `off` is looked at."""
    assert parse_upstreams(f"{word},:/nonsense") == (UpstreamStep(word),)  # type: ignore[arg-type]


def test_blanks_and_empty_elements() -> None:
    """Blanks around elements and empty elements do not count."""
    assert [step.url for step in parse_upstreams(" https://a.example/x/ ,,| https://b.example")] == [
        "https://a.example/x",
        "https://b.example",
    ]


def test_host_without_scheme() -> None:
    """A host without a scheme means https."""
    assert parse_upstreams("proxy.example:8443")[0].url == "https://proxy.example:8443"


def test_file_upstream() -> None:
    """A file:// URL is a folder of this machine, percent-decoded."""
    step = parse_upstreams("file:///srv/my%20cache")[0]
    assert (step.kind, step.path) == ("file", Path("/srv/my cache"))


def test_credentials_are_never_shown() -> None:
    """Credentials reach the transport and nobody else."""
    steps = parse_upstreams("https://user:hunter2@proxy.example|direct")
    assert steps[0].url == "https://user:hunter2@proxy.example"
    assert steps[0].name == "https://proxy.example"
    assert "hunter2" not in repr(steps) + same_syntax(steps)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no entries"),
        (", |", "no entries"),
        ("drect", '"drect" is no entry'),
        ("ftp://a.example", "is no entry"),
        ("https://", "names no host"),
        ("https://a.example:port", "is no URL"),
        ("https://a.example/?x=1", "query"),
        ("https://a b.example", "blank"),
        ("https://a.example\x00", "control"),
        ("/srv/cache", "allowed is file:///srv/cache"),
        ("file://host/srv", "absolute path"),
        ("file:srv", "is no URL"),
        (["https://a.example", "drect"], '"drect"'),
        (5, "allowed are"),
    ],
)
def test_wrong_elements(text: object, problem: str) -> None:
    """An element that the go command would refuse is refused, with what is allowed."""
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_upstreams(text)


def test_password_with_a_comma() -> None:
    """A password that the list's syntax cuts in two is not shown either."""
    with pytest.raises(ValueError, match="is no URL") as caught:
        parse_upstreams("https://user:hun,ter2@proxy.example")
    assert "hun" not in str(caught.value)


def test_joined_again() -> None:
    """The steps can be written as a list again."""
    text = "https://a.example,file:///srv/cache|direct"
    assert same_syntax(parse_upstreams(text)) == text
