"""Reading go-import entries."""

from __future__ import annotations

import pytest

from goproxy_mirror.vcs.pages import MOST_ENTRIES, Import, TooManyError, read_page

ENTRY = '<meta name="go-import" content="x.test/m git https://x.test/m">'
FOUND = Import("x.test/m", "git", "https://x.test/m", "")


@pytest.mark.parametrize(
    "text",
    [
        ENTRY,
        f"<!DOCTYPE html>\n<html><head>{ENTRY}</head><body>",
        "<META NAME='go-import' CONTENT='x.test/m git https://x.test/m'/>",
        "<meta name=go-import content='x.test/m  git\n\thttps://x.test/m'>",
        '<meta content="x.test/m git https://x.test/m" name="go-import" />',
        '<meta property="a" async name="go-import" name="other" content="x.test/m git https://x.test/m">',
        '<meta name="go-import" content="x.test/m&#32;git&#x20;https://x.test/m">',
        f"<script>if (a < b && c << 2) {{}}</script>{ENTRY}",
        f"<!-- <meta name='go-import' content='a.test git https://a.test'> -->{ENTRY}",
        f"<![CDATA[ <body> ]]><?php <body ?>{ENTRY}",
        f"<link rel=stylesheet href=https://x.test/a?b=c&d><p class=>text</p>{ENTRY}",
        f"<div <span>{ENTRY}",
        f"\ufeff<?xml version='1.0'?>{ENTRY}<p",
        f'<meta name="go-source" content="a b c">{ENTRY}',
        f'{ENTRY}<meta name="go-import" content="too short">{"x" * 10}',
        f'<meta name="go-import" content="one two three four five">{ENTRY}',
        f"{ENTRY}</head><meta name='go-import' content='a.test git https://a.test'>",
        f"{ENTRY}<body><meta name='go-import' content='a.test git https://a.test'>",
        f"{ENTRY}</HEAD\n><meta name='go-import' content='a.test git https://a.test'>",
    ],
)
def test_an_entry_is_found(text: str) -> None:
    """However the page is written, the one entry before the body counts."""
    assert read_page(text).imports == (FOUND,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        f"<body>{ENTRY}",
        f"</head>{ENTRY}",
        ENTRY.replace("go-import", "Go-Import"),
        ENTRY.replace("meta", "metal"),
        f"<!-- {ENTRY}",
        ENTRY[:-1],
        "<meta name='go-import'>",
    ],
)
def test_no_entry_is_found(text: str) -> None:
    """What does not count to the go command, or is not whole."""
    assert read_page(text).imports == ()


def test_a_subdirectory_and_proxies_first() -> None:
    """The fourth field is a subdirectory; proxies come first and replace entries of the same prefix."""
    page = read_page(
        "<meta name=go-import content='a.test git https://a.test sub'>"
        "<meta name=go-import content='b.test git https://b.test'>"
        "<meta name=go-import content='b.test mod https://p.test'>"
    )
    assert page.imports == (
        Import("b.test", "mod", "https://p.test", ""),
        Import("a.test", "git", "https://a.test", "sub"),
    )


@pytest.mark.parametrize(
    ("text", "ended", "broken"),
    [
        ("<html><head></head>", True, False),
        ("<html><body ", False, True),
        ("<html><body>", True, False),
        ("<html>", False, False),
        ("<!-- ", False, True),
        ("<a b='", False, True),
        ("<a b", False, True),
    ],
)
def test_how_a_page_ended(text: str, ended: bool, broken: bool) -> None:
    """Whether the head's end was seen, and whether the markup breaks off."""
    page = read_page(text)
    assert (page.ended, page.broken) == (ended, broken)


def test_too_many_entries_are_not_read() -> None:
    """V25: a page with very many or very long entries is no page of a person."""
    with pytest.raises(TooManyError):
        read_page(ENTRY * (MOST_ENTRIES + 1))
    with pytest.raises(TooManyError):
        read_page(ENTRY.replace("x.test/m git", "x" * 300_000 + " git"))
    assert len(read_page(ENTRY * MOST_ENTRIES).imports) == MOST_ENTRIES


@pytest.mark.parametrize(
    "text",
    [
        "<" * 400_000,
        "<a " * 130_000,
        "<!--" * 100_000,
        "<![CDATA[" * 40_000,
        "<a b=" * 80_000,
        "<a b='" * 60_001,
        "<a/" * 130_000,
        "&" * 400_000,
        "<?" * 200_000,
        "<!" * 200_000,
        "<a =" * 100_000,
        "<a b='" + "&#" * 200_000 + "'>",
        "<meta name=go-import content='" + "&amp" * 50_000 + "'>",
        "</" * 200_000,
        "<a\n" * 130_000 + ">",
    ],
)
def test_v26_reading_takes_time_in_proportion(text: str) -> None:
    """V26: what makes other readers take the square of the length is read at once."""
    assert read_page(text).imports == ()
