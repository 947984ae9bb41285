"""go.mod files as golang.org/x/mod/modfile reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goproxy_mirror.errors import NotFound
from goproxy_mirror.module.modfile import (
    GoMod,
    InvalidModFile,
    Replace,
    Retract,
    module_path,
    parse,
    parse_lax,
)

FULL = """\
// The module of the tests.
module example.com/m // behind

go 1.24

toolchain go1.25.1

require example.com/a v1.2.3 // indirect

require (
	"example.com/b/v2" v2.0.0
	example.com/c v3.0.0+incompatible
	gopkg.in/d.v1 v0.0.0-20160101000000-abcdef123456
	replaced v0.0.0
)

exclude example.com/a v1.2.4

replace (
	example.com/a => ../a
	example.com/a v1.2.3 => example.com/fork v1.0.0
)

// Broken on
// Tuesdays.
retract v1.0.0

// all of these
retract (
	v1.1.0

	// A range.
	[v1.2.0, v1.3.0] // And why.
	v1.5.0
)

tool example.com/tool
ignore ./node_modules
godebug default=go1.21
"""

MODULE_PATHS = [
    ("module example.com/m", "example.com/m"),
    ("\n// c\n  module   example.com/m  // x\n", "example.com/m"),
    ("go 1.20\r\nmodule example.com/m\r\n", "example.com/m"),
    ('module "example.com/\\x41b"', "example.com/Ab"),
    ("module `example.com/m`", "example.com/m"),
    ('module "example.com/m" x', ""),
    ("module\texample.com/m", "example.com/m"),
    ("module (\n\texample.com/m\n)", "("),
    ("\ufeffmodule example.com/m", ""),
    ("moduleexample.com/m", ""),
    ("module\n", ""),
    ("module //x\nmodule b.c/d", "b.c/d"),
    ("nonsense ((((\nmodule example.com/m", "example.com/m"),
    ("", ""),
]  # fmt: skip

REFUSED_ALWAYS = [
    ("module a.b/c\nmodule a.b/d", "go.mod:2: repeated module"),
    ("module a.b/c d", "go.mod:1: "),
    ("module `a.b/c`", "go.mod:1: invalid quoted string"),
    ('module "a.b', "go.mod:1: unexpected input"),
    ("go 1.20\ngo 1.21", "go.mod:2: repeated go"),
    ("go 1", "invalid go version"),
    ("go 1.20 1.21", "exactly one argument"),
    ("require a.b/c", "go.mod:1: "),
    ("require a.b/c latest", "must be of the form v1.2.3"),
    ("require a.b/c/v2 v1.0.0", "should be v2, not v1"),
    ("require a.b/c v2.0.0", "should be v0 or v1, not v2"),
    ("require a.b/c/v1 v1.0.0", "invalid module path"),
    ("\n\nrequire (\n\ta.b/c v1.0.0\n", "go.mod:3: syntax error (unterminated block)"),
    ("require (\n) x", "expected newline after closing paren"),
    ("/* x */\nmodule a.b/c", "not /* */ comments"),
    ("module a.b/\u00a0c", "unexpected input character '\\xa0'"),
    ("module a.b/\x00c", "unexpected input character '\\x00'"),
    ("\ufeffmodule a.b/c", "unexpected input character"),
]  # fmt: skip

REFUSED_OF_MAIN_MODULES = [
    "unknown x",
    "unknown (\n\tx\n)",
    "two words (\n)",
    "toolchain 1.20",
    "exclude a.b/c main",
    "retract (v1",
    "retract [v1.0.0, v2.0.0",
    "retract v1.0.0 v2.0.0",
    "replace a.b/c",
    "replace a.b/c => d.e/f",
    "replace a.b/c => ../x v1.0.0",
    "replace a.b/c => ..\\x",
    "replace a.b/c v1 v2 => x y",
    "tool",
    "tool 'x'",
    "godebug x",
    "go v1.20.x",
]

LANGUAGES = [
    ("1.23", False), ("1.24", True), ("1.24.1", True), ("1.24rc1", True), ("1.100", True), ("2.0", True),
    ("1.9", False), ("", False), ("1.24.0rc1", False), ("1.024", False), ("9" * 5000 + ".0", True),
]  # fmt: skip


def test_everything() -> None:
    """A main module's file is read whole: statements, blocks, quotes, intervals, and comments as rationales."""
    said = parse(FULL.encode())
    assert (said.module, said.go, said.toolchain) == ("example.com/m", "1.24", "go1.25.1")
    assert [str(required) for required in said.requires] == [
        "example.com/a@v1.2.3",
        "example.com/b/v2@v2.0.0",
        "example.com/c@v3.0.0+incompatible",
        "gopkg.in/d.v1@v0.0.0-20160101000000-abcdef123456",
    ]
    assert said.replaces == (
        Replace("example.com/a", "", "../a", ""),
        Replace("example.com/a", "v1.2.3", "example.com/fork", "v1.0.0"),
    )
    assert said.retracts == (
        Retract("v1.0.0", "v1.0.0", "Broken on\nTuesdays."),
        Retract("v1.1.0", "v1.1.0", "all of these"),
        Retract("v1.2.0", "v1.3.0", "A range.\nAnd why."),
        Retract("v1.5.0", "v1.5.0", "all of these"),
    )


def test_other_peoples_files() -> None:
    """What only a main module may say is passed over in other modules' files."""
    said = parse_lax(FULL.encode())
    assert (said.module, said.go, said.toolchain, said.replaces) == ("example.com/m", "1.24", "", ())
    assert len(said.requires) == 4
    assert len(said.retracts) == 4


def test_line_endings_do_not_matter() -> None:
    """A file with carriage returns says the same."""
    assert parse(FULL.replace("\n", "\r\n").encode()) == parse(FULL.encode())


def test_is_retracted() -> None:
    """A version is retracted when it lies in one of the ranges, both ends included."""
    said = parse_lax(FULL.encode())
    retracted = ["v1.0.0", "v1.2.0", "v1.2.5-pre", "v1.3.0"]
    kept = ["v1.0.1", "v1.2.0-pre", "v1.3.1", "v0.9.0", "main"]
    assert [said.is_retracted(version) for version in retracted + kept] == [True] * 4 + [False] * 5


@pytest.mark.parametrize(("text", "expected"), MODULE_PATHS)
def test_module_path(text: str, expected: str) -> None:
    """The module line is found whatever else is wrong with the file."""
    assert module_path(text.encode()) == expected


@pytest.mark.parametrize("read", [parse, parse_lax])
@pytest.mark.parametrize(("text", "message"), REFUSED_ALWAYS)
def test_refused(text: str, message: str, read: Callable[[bytes], GoMod]) -> None:
    """A broken file is refused with the line and what is wrong there."""
    with pytest.raises(InvalidModFile) as caught:
        read(text.encode())
    assert message in caught.value.message
    assert isinstance(caught.value, NotFound)


@pytest.mark.parametrize("text", REFUSED_OF_MAIN_MODULES)
def test_refused_of_main_modules(text: str) -> None:
    """What a later go command may understand is refused in a main module's file alone."""
    with pytest.raises(InvalidModFile):
        parse(text.encode())
    assert isinstance(parse_lax(text.encode()), GoMod)


def test_lax_go_versions() -> None:
    """Other people's go versions are cut to what is understood."""
    assert parse_lax(b"go v1.20.x-custom").go == "1.20"
    assert parse_lax(b"go 1.24.0-rc").go == "1.24"


@pytest.mark.parametrize(("version", "expected"), LANGUAGES)
def test_language(version: str, expected: bool) -> None:
    """Language versions compare as numbers of any length; what is no Go version is older than all."""
    assert GoMod(go=version).language_at_least(1, 24) is expected


@pytest.mark.parametrize(
    "text",
    [
        "// c\n" * 100_000,
        "require (\n" + "\ta.b/c v1.0.0 // indirect\n" * 10_000 + ")",
        "retract (\n" + "\n// x\n" * 50_000 + "\tv1.0.0\n)",
    ],
)
def test_large_files_are_read_in_linear_time(text: str) -> None:
    """A file of many lines takes no longer per line than a short one."""
    assert isinstance(parse_lax(text.encode()), GoMod)
