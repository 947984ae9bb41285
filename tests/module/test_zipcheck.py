from __future__ import annotations

import pytest

from goproxy_mirror.errors import SourceUnavailable
from goproxy_mirror.module.modzip import MAX_GO_MOD
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.module.zipcheck import check_members
from goproxy_mirror.module.zipreader import InvalidZip, Member

MV = ModuleVersion(ModulePath("example.com/m"), Version("v1.0.0"))

BAD = {
    "Z01 traversal": ["../x"],
    "Z01 traversal within": ["a/../../x"],
    "Z02 absolute": ["/etc/passwd"],
    "Z03 backslash": ["a\\b"],
    "Z04 NUL": ["a\0b"],
    "Z05 duplicate": ["a", "a"],
    "Z06 case": ["a/README", "a/readme"],
    "Z06 case of folders": ["A/x", "a/y"],
    "Z18 nested go.mod": ["sub/go.mod"],
    "Z18 nested go.mod in capitals": ["sub/GO.MOD"],
    "Z19 GO.MOD": ["GO.MOD"],
    "file and folder": ["a/b", "a"],
    "reserved name": ["con"],
}


def member(name: str, size: int = 1) -> Member:
    return Member(name, size, size, 0, deflated=False, start=0)


@pytest.mark.parametrize("names", [pytest.param(names, id=name) for name, names in BAD.items()])
def test_refused(names: list[str]) -> None:
    """A name that the go command would not unpack makes the zip no answer."""
    with pytest.raises(InvalidZip, match=r"^no zip of example\.com/m@v1\.0\.0 can have ") as caught:
        check_members(MV, [member(f"{MV}/{name}") for name in names])
    assert isinstance(caught.value, SourceUnavailable)


@pytest.mark.parametrize(
    "name", ["a", "example.com/m@v1.0.1/a", "Example.com/m@v1.0.0/a", "example.com/m@v1.0.0"]
)
def test_another_versions_files(name: str) -> None:
    """Z07: every name begins with the module version."""
    with pytest.raises(InvalidZip, match="does not begin with"):
        check_members(MV, [member(name)])


def test_sizes() -> None:
    """go.mod and LICENSE in the root have limits of their own."""
    with pytest.raises(InvalidZip, match=r"go\.mod file too large"):
        check_members(MV, [member(f"{MV}/go.mod", MAX_GO_MOD + 1)])


def test_good_names() -> None:
    """Files and folders of a module pass, the module's own folder too."""
    check_members(
        MV, [member(f"{MV}/{name}", 0) for name in ("", "go.mod", "a/", "a/b", "a/vendor/x.go", "é")]
    )
