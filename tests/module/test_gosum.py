from __future__ import annotations

import pytest

from goproxy_mirror.errors import BadRequest
from goproxy_mirror.module.gosum import InvalidGoSum, parse_go_sum

HASH = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_lines() -> None:
    """Each line names a module version, its zip or its go.mod, and a hash; blank lines do not count."""
    text = f"example.com/a v1.0.0 {HASH}\n\nexample.com/a v1.0.0/go.mod {HASH}\r\n"
    zip_line, mod_line = parse_go_sum(text.encode())
    assert (zip_line.path.value, zip_line.version.value, zip_line.go_mod, zip_line.hash) == (
        "example.com/a",
        "v1.0.0",
        False,
        HASH,
    )
    assert mod_line.go_mod
    assert f"{zip_line}\n\n{mod_line}\r\n" == text


def test_the_old_hash_of_nothing_is_passed_over() -> None:
    """Early go commands hashed an empty file for a missing go.mod; such a line proves nothing."""
    assert parse_go_sum(b"a.b/c v1.0.0/go.mod h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=\n") == ()


@pytest.mark.parametrize(
    "line",
    [
        "a.b/c v1.0.0",
        "a.b/c v1.0.0 h1:x y",
        "nodot/x v1.0.0 h1:x",
        "a.b/c v1 h1:x",
        "a.b/c v1.0.0/go.sum h1:x",
        "a.b/\xff v1.0.0 h1:x",
    ],
)
def test_malformed_lines(line: str) -> None:
    """A line that cannot be meant is refused, with its number."""
    with pytest.raises(InvalidGoSum, match=r"^go\.sum:2: ") as caught:
        parse_go_sum(b"\n" + line.encode("latin-1"))
    assert isinstance(caught.value, BadRequest)
