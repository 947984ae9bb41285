"""Which stored modules an argument means."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import SettingError
from goproxy_mirror.mirror.selection import Selection, key_prefixes
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import Version

ONE = Version("v1.0.0")


@pytest.mark.parametrize(
    ("text", "path", "meant"),
    [
        ("golang.org/x/mod", "golang.org/x/mod", True),
        ("golang.org/x/mod", "golang.org/x/mod/v2", True),
        ("golang.org/x/mod", "golang.org/x/model", False),
        ("golang.org/x/mod@v1.0.0", "golang.org/x/mod", True),
        ("golang.org/x/mod@v1.0.1", "golang.org/x/mod", False),
        ("golang.org/x/mod@v1.0.0", "golang.org/x/mod/sub", False),
        ("golang.org/*/mod", "golang.org/x/mod", True),
        ("golang.org/*/mod", "golang.org/x/text", False),
        ("*.example", "corp.example/m", True),
        ("github.com/Azure/*", "github.com/Azure/sdk", True),
        ("github.com/Azure/*", "github.com/azure/sdk", False),
    ],
)
def test_meaning(text: str, path: str, meant: bool) -> None:
    """A glob means what it means in GOPRIVATE; a version is that version alone; and the keys begin with the prefix."""
    selection = Selection.parse(text)
    assert selection.has(ModulePath(path), ONE) is meant
    if meant:
        assert f"{ModulePath(path).escaped}/@v/v1.0.0.mod".startswith(selection.prefix)


@pytest.mark.parametrize(
    "text", ["", "a.example/m@", "a.example/m@latest", "a[", "a.example,b.example", "/a", "@v1"]
)
def test_what_names_nothing(text: str) -> None:
    """It is said in one line what can be named."""
    with pytest.raises(SettingError, match="allowed are MODULE"):
        Selection.parse(text)


def test_nothing_is_walked_twice() -> None:
    """A prefix within another one is left out, and no selection means everything."""
    texts = ("golang.org/x/*", "golang.org/x/mod", "rsc.io/quote@v1.5.2")
    wanted = [Selection.parse(text) for text in texts]
    assert key_prefixes(wanted) == ["golang.org/x", "rsc.io/quote/@v/"]
    assert key_prefixes([]) == [""]
