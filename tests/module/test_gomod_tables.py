"""Tables of golang.org/x/mod's own tests that are asked of several functions here: vendored files and go.mod files.

The data are copyright The Go Authors, under the licence in `gomod/LICENSE` (BSD-3-Clause). The tables of paths, versions
and pseudo-versions are in test_path.py, test_semver.py and test_pseudo.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from goproxy_mirror.module.modfile import GoMod, InvalidModFile, module_path, parse, parse_lax
from goproxy_mirror.module.modzip import MAX_GO_MOD, MAX_LICENSE, MAX_ZIP, check_files

# zip/vendor_test.go: a name, whether it is left out before go 1.24, and from then on.
VENDORED = [
    ("vendor/foo/foo.go", True, True),
    ("pkg/vendor/foo/foo.go", True, True),
    ("longpackagename/vendor/foo/foo.go", True, True),
    ("vendor/vendor.go", False, False),
    ("vendor/foo/modules.txt", True, True),
    ("modules.txt", False, False),
    ("vendor/amodules.txt", False, False),
    ("vendor/modules.txt", False, True),
    ("pkg/vendor/vendor.go", True, False),
    ("longpackagename/vendor/vendor.go", True, False),
]
BEFORE = ["", "1.23.5", "1.23.1", "1.2", "1.7", "1.9"]
SINCE = ["1.24.0", "1.24", "1.99.0"]

# zip/zip_test.go: the sizes of files, and why they are too large.
SIZES = [
    ({"large.go": MAX_ZIP}, None),
    ({"large.go": MAX_ZIP + 1}, "module source tree too large"),
    ({"small.go": 10, "large.go": MAX_ZIP - 10}, None),
    ({"small.go": 10, "large.go": MAX_ZIP - 9}, "module source tree too large"),
    ({"go.mod": MAX_GO_MOD}, None),
    ({"go.mod": MAX_GO_MOD + 1}, "go.mod file too large"),
    ({"LICENSE": MAX_LICENSE}, None),
    ({"LICENSE": MAX_LICENSE + 1}, "LICENSE file too large"),
]

# modfile/read_test.go
MODULE_LINES = [
    ('module "github.com/rsc/vgotest"', "github.com/rsc/vgotest"),
    ("module github.com/rsc/vgotest", "github.com/rsc/vgotest"),
    ('module  "github.com/rsc/vgotest"', "github.com/rsc/vgotest"),
    ("module  github.com/rsc/vgotest", "github.com/rsc/vgotest"),
    ("module `github.com/rsc/vgotest`", "github.com/rsc/vgotest"),
    ('module "github.com/rsc/vgotest/v2"', "github.com/rsc/vgotest/v2"),
    ("module github.com/rsc/vgotest/v2", "github.com/rsc/vgotest/v2"),
    ('module "gopkg.in/yaml.v2"', "gopkg.in/yaml.v2"),
    ("module gopkg.in/yaml.v2", "gopkg.in/yaml.v2"),
    ('module "gopkg.in/check.v1"\n', "gopkg.in/check.v1"),
    ('module "gopkg.in/check.v1\n"', ""),
    ("module gopkg.in/check.v1\n", "gopkg.in/check.v1"),
    ('module "gopkg.in/check.v1"\r\n', "gopkg.in/check.v1"),
    ("module gopkg.in/check.v1\r\n", "gopkg.in/check.v1"),
    ('module "gopkg.in/check.v1"\n\n', "gopkg.in/check.v1"),
    ("module gopkg.in/check.v1\n\n", "gopkg.in/check.v1"),
    ('module \n"gopkg.in/check.v1"\n\n', ""),
    ("module \ngopkg.in/check.v1\n\n", ""),
    ('module "gopkg.in/check.v1"asd', ""),
    ("module  \nmodule a/b/c ", "a/b/c"),
    ('module "   "', "   "),
    ("module   ", ""),
    ('module "  a/b/c  "', "  a/b/c  "),
    ('module "github.com/rsc/vgotest1" // with a comment', "github.com/rsc/vgotest1"),
]
# The line, whether it is one of a main module's file, and whether the files of others may have it.
LINES = [
    ("go ", False, False),
    ("go 1", False, False),
    ("go 1.22", True, True),
    ("go 1.22.333", True, True),
    ("go v1.2", False, False),
    ("go 1.2rc1", True, True),
    ("go 1.2 3.4", False, False),
    ("go 1.2.3", True, True),
    ("go 1.2beta1", True, True),
    ("go 1.2.beta1", False, True),
    ("go v1.2.3", False, True),
    ("go v1.2rc1", False, True),
    ("go v1.2beta1", False, True),
    ("go v1.2.beta1", False, True),
    ("toolchain go1.2", True, True),
    ("toolchain go1.2.3", True, True),
    ("toolchain go1.2rc1", True, True),
    ("toolchain go1.2rc1-gccgo", True, True),
    ("toolchain default", True, True),
    ("toolchain inconceivable!", False, True),
]
SURPRISING = b"""module m
    surprise attack
    x y (
        z
    )
    exclude v1.2.3
    replace <-!!!
    retract v1.2.3 v1.2.4
    retract (v1.2.3, v1.2.4]
    retract v1.2.3 (
        key1 value1
        key2 value2
    )
    require good v1.0.0
"""


@dataclass(frozen=True)
class Entry:
    path: bytes
    size: int = 1
    mode: int = 0o100644


@pytest.mark.parametrize(("name", "before", "since"), VENDORED)
def test_vendored(name: str, before: bool, since: bool) -> None:
    """What is vendored depends on the go version, in few cases."""
    for versions, left_out in ((BEFORE, before), (SINCE, since)):
        for version in versions:
            checked = check_files([Entry(name.encode())], GoMod(go=version))
            assert bool(checked.omitted) is left_out, version


@pytest.mark.parametrize(("sizes", "problem"), SIZES)
def test_sizes(sizes: dict[str, int], problem: str | None) -> None:
    """A module may be that large and no larger."""
    said = check_files([Entry(name.encode(), size) for name, size in sizes.items()]).problem
    assert said is None if problem is None else problem in (said or "")


@pytest.mark.parametrize(("text", "path"), MODULE_LINES)
def test_module_path(text: str, path: str) -> None:
    """The module line, found without reading the rest of the file."""
    assert module_path(text.encode()) == path


@pytest.mark.parametrize(("line", "strictly", "laxly"), LINES)
def test_versions(line: str, strictly: bool, laxly: bool) -> None:
    """Which versions of go a main module's file may name, and which those of others."""
    for read, accepted in ((parse, strictly), (parse_lax, laxly)):
        try:
            read(f"module m\n{line}\n".encode())
        except InvalidModFile:
            assert not accepted
        else:
            assert accepted


def test_lax() -> None:
    """What only a later go command understands is passed over in the files of others."""
    said = parse_lax(SURPRISING)
    assert said.module == "m"
    assert said.required == (("good", "v1.0.0"),)
