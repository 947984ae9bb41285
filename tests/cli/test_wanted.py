"""What `fetch` is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.cli.wanted import ONLY_MOD, Wanted, from_argument, from_go_mod, from_go_sum, once
from goproxy_mirror.errors import SettingError
from goproxy_mirror.module.path import ModulePath


def wanted(path: str, version: str) -> Wanted:
    """All files of a module version."""
    return Wanted(ModulePath.parse(path), version)


def test_argument() -> None:
    """A module without a version is wanted at its latest one."""
    assert from_argument("golang.org/x/text") == wanted("golang.org/x/text", "latest")
    assert from_argument("golang.org/x/text@v0.3.0") == wanted("golang.org/x/text", "v0.3.0")
    assert from_argument("golang.org/x/text@feature/branch").version == "feature/branch"


@pytest.mark.parametrize("text", ["", "@v1.0.0", "golang.org/x/text@", "golang.org/../x", "x y", "text"])
def test_wrong_argument(text: str) -> None:
    """What can be no module is refused with what can."""
    with pytest.raises(SettingError, match="allowed is MODULE or MODULE@VERSION"):
        from_argument(text)


def test_go_mod(tmp_path: Path) -> None:
    """Requirements are wanted as the replacements have them; a folder of this machine needs no fetching."""
    file = tmp_path / "go.mod"
    file.write_text(
        """module example.com/m

go 1.21

require (
	a.example/one v1.0.0
	a.example/two v1.0.0 // indirect
	a.example/three v1.0.0
	a.example/four v1.0.0
)

replace a.example/two => ../two

replace (
	a.example/three => b.example/three v1.1.0
	a.example/three v1.0.0 => b.example/three v1.2.0
	a.example/four v1.5.0 => b.example/four v1.0.0
)
"""
    )
    assert from_go_mod(file) == [
        wanted("a.example/one", "v1.0.0"),
        wanted("b.example/three", "v1.2.0"),
        wanted("a.example/four", "v1.0.0"),
    ]


def test_go_sum(tmp_path: Path) -> None:
    """A line on a module's content wants all of its files, a line on its go.mod that file alone."""
    file = tmp_path / "go.sum"
    file.write_text(
        "a.example/one v1.0.0 h1:mOQDHhANDJGQ8bkyGDOJYXvgfRGBhJSu0FQqRhC8k1M=\n"
        "a.example/one v1.0.0/go.mod h1:mOQDHhANDJGQ8bkyGDOJYXvgfRGBhJSu0FQqRhC8k1M=\n"
        "a.example/two v1.0.0/go.mod h1:mOQDHhANDJGQ8bkyGDOJYXvgfRGBhJSu0FQqRhC8k1M=\n"
    )
    assert once(from_go_sum(file)) == [
        wanted("a.example/one", "v1.0.0"),
        Wanted(ModulePath.parse("a.example/two"), "v1.0.0", ONLY_MOD),
    ]


def test_files_that_are_none(tmp_path: Path) -> None:
    """A file that is no go.mod or go.sum is refused, and named."""
    file = tmp_path / "file"
    file.write_text("reqire (\n")
    with pytest.raises(SettingError, match=r"--go-mod .*file"):
        from_go_mod(file)
    file.write_text("a b c d\n")
    with pytest.raises(SettingError, match=r"--go-sum .*file"):
        from_go_sum(file)


def test_once() -> None:
    """A module version is wanted once, with all of its files if anybody wants them."""
    mod = Wanted(ModulePath.parse("a.example/one"), "v1.0.0", ONLY_MOD)
    whole = wanted("a.example/one", "v1.0.0")
    assert once([mod, whole, mod]) == once([whole, mod]) == [whole]
