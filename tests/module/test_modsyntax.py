from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.module.modsyntax import Block, InvalidModFile, Line, statements, unquote

QUOTED = [
    ('"abc"', "abc"),
    ("`a\\b`", "a\\b"),
    ("`a\rb`", "ab"),
    (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
    (r'"\x41\101\u00e9\U0001F600"', "AA\u00e9\U0001f600"),
    ('"é"', "é"),
    ('"\udcff"', "\ufffd"),
    ('""', ""),
    ('"', None),
    ("abc", None),
    ('"a"b"', None),
    ("`a`b`", None),
    ('"a\nb"', None),
    (r'"\q"', None),
    (r'"\x4"', None),
    (r'"\400"', None),
    (r'"\ud800"', None),
    (r'"\U00110000"', None),
    ('"a\\', None),
    ('"\\"', None),
    (r"""'a'""", None),
]  # fmt: skip


@pytest.mark.parametrize(("token", "expected"), QUOTED)
def test_unquote(token: str, expected: str | None) -> None:
    """Strings are quoted as in Go."""
    assert unquote(token) == expected


def test_statements() -> None:
    """Lines and blocks come in order with their tokens and comments."""
    text = b'// above\na "b c" ( // behind\n\n// in\nx, y // end\n\n\nz\n)\n\n// far\n\nsingle [1,2]\nempty ()\nw ( x\n'
    assert list(statements(text)) == [
        Block(
            2,
            ("a", '"b c"'),
            ("// above",),
            (Line(5, ("x", ",", "y"), ("// in",), "// end"), Line(8, ("z",), ("",))),
        ),
        Line(13, ("single", "[", "1", ",", "2", "]")),
        Block(14, ("empty",), (), ()),
        Line(15, ("w", "(", "x")),
    ]


@given(st.text('a"`(),/*\\ \t\r\n=[]é\x00\u2028', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever a file holds, it is read or refused; nothing else happens."""
    try:
        read = list(statements(text.encode()))
    except InvalidModFile:
        read = []
    assert all(statement.tokens for statement in read)
