"""The cases are golang.org/x/mod/module's (BSD-3-Clause, The Go Authors), and properties of escaping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.errors import InvalidPath, InvalidVersion
from goproxy_mirror.module.path import (
    Kind,
    ModulePath,
    check_file_path,
    check_import_path,
    check_path_major,
    escape,
    match_path_major,
    path_major_prefix,
    path_problem,
    split_path_version,
    unescape,
)

# A path, and whether it can be a module's, an import's, a file's.
PATHS = [
    ("x.y/z", True, True, True),
    ("x.y", True, True, True),
    ("", False, False, False),
    ("x.y/\xffz", False, False, True),
    ("x.y/\udcffz", False, False, False),
    ("/x.y/z", False, False, False),
    ("x./z", False, False, False),
    (".x/z", False, True, True),
    ("-x/z", False, False, True),
    ("x..y/z", True, True, True),
    ("x.y/z/../../w", False, False, False),
    ("x.y//z", False, False, False),
    ("x.y/z//w", False, False, False),
    ("x.y/z/", False, False, False),
    ("x.y/z/v0", False, True, True),
    ("x.y/z/v1", False, True, True),
    ("x.y/z/v2", True, True, True),
    ("x.y/z/v2.0", False, True, True),
    ("x.y/z/v02", False, True, True),
    ("X.y/z", False, True, True),
    ("!x.y/z", False, False, True),
    ("_x.y/z", False, True, True),
    ("x.y!/z", False, False, True),
    ('x.y"/z', False, False, False),
    ("x.y#/z", False, False, True),
    ("x.y'/z", False, False, False),
    ("x.y*/z", False, False, False),
    ("x.y+/z", False, True, True),
    ("x.y/z,", False, False, True),
    ("x.y:/z", False, False, False),
    ("x.y;/z", False, False, False),
    ("x.y</z", False, False, False),
    ("x.y?/z", False, False, False),
    ("x.y@/z", False, False, True),
    ("x.y[]/z", False, False, True),
    ("x.y\\/z", False, False, False),
    ("x.y^/z", False, False, True),
    ("x.y`/z", False, False, False),
    ("x.y{}/z", False, False, True),
    ("x.y|/z", False, False, False),
    ("x.y~/z", False, True, True),
    ("x.y/z!", False, False, True),
    ("x.y/z++", False, True, True),
    ("x.y/z~", True, True, True),
    ("x.y/z~09", False, False, True),
    ("x.y/z~09.txt", False, False, True),
    ("x.y/z~a9", True, True, True),
    ("x.y/Foo.bar", True, True, True),
    ("x.y/aux.foo", False, False, False),
    ("x.y/foo.aux", True, True, True),
    ("x.y/com1.txt", False, False, False),
    ("x.y/CoM1", False, False, False),
    ("x.y/com0", True, True, True),
    ("x.y/calm1", True, True, True),
    ("x.y/z/.git", False, True, True),
    ("x.y/...", False, False, False),
    ("x.y/a b", False, False, True),
    ("x.y/\x00", False, False, False),
    ("x.y/\u0438", False, False, True),
    ("x.y/\u202e", False, False, False),
    ("x.y/\U0001f600", False, False, False),
    ("nodot/x", False, True, True),
    ("github.com/!123/logrus", False, False, True),
    ("mod1", False, True, True),
    ("gopkg.in/yaml", False, True, True),
    ("gopkg.in/yaml.v0", True, True, True),
    ("gopkg.in/yaml.v1-unstable", True, True, True),
    ("gopkg.in/yaml.v02", False, True, True),
    ("gopkg.in/yaml.v2/abc", False, True, True),
]  # fmt: skip

SPLITS = [
    ("x.y/z", "x.y/z", ""),
    ("x.y/z/v2", "x.y/z", "/v2"),
    ("x.y/z/v10", "x.y/z", "/v10"),
    ("x.y/v2", "x.y", "/v2"),
    ("x.y/zv2", "x.y/zv2", ""),
    ("gopkg.in/yaml.v0", "gopkg.in/yaml", ".v0"),
    ("gopkg.in/user/p.v13", "gopkg.in/user/p", ".v13"),
    ("gopkg.in/yaml.v2-unstable", "gopkg.in/yaml", ".v2-unstable"),
]

# A version and a path's major version; whether they fit.
MAJORS = [
    ("v0.9.1", "", True),
    ("v1.2.3", "", True),
    ("v2.0.0", "", False),
    ("v2.0.0+incompatible", "", True),
    ("v2.1.0", "/v2", True),
    ("v2.1.0+incompatible", "/v2", True),
    ("v1.0.0", "/v2", False),
    ("v20.0.0", "/v2", False),
    ("v1.0.0", ".v1", True),
    ("v2.1.0", ".v2-unstable", True),
    ("v3.0.0", ".v2-unstable", False),
    ("v0.0.0-20160101000000-abcdef123456", ".v1", True),
    ("v0.0.0", ".v1", False),
    ("v0.0.0-20160101000000-abcdef123456", ".v2", False),
    ("", "", False),
    ("bad", "/v2", False),
]  # fmt: skip

BADLY_ESCAPED = [
    "github.com/Azure/x",
    "x.y/!",
    "x.y/!A",
    "x.y/!1",
    "x.y/!!a",
    "x.y/a!",
    "x.y/!_",
    "x.y/é",
    "x.y/!é",
    "!nodot/x",
]

elements = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_-]{0,8}\Z").filter(
    lambda text: not path_problem(text, Kind.MODULE) and not text.lower().startswith("v")
)
module_paths = st.builds(lambda found: "/".join(["example.com", *found]), st.lists(elements, max_size=4))


@pytest.mark.parametrize(("text", "module", "import_", "file"), PATHS)
def test_what_a_path_may_hold(text: str, module: bool, import_: bool, file: bool) -> None:
    """Module paths are the strictest, import paths looser, file paths the loosest."""
    for parse, valid in ((ModulePath, module), (check_import_path, import_), (check_file_path, file)):
        if valid:
            parse(text)
        else:
            with pytest.raises(InvalidPath):
                parse(text)


def test_the_message_says_what_is_wrong() -> None:
    """The message has the path and the reason, in the go command's words."""
    with pytest.raises(InvalidPath) as caught:
        ModulePath("example.com/con")
    assert (
        caught.value.message
        == "malformed module path 'example.com/con': \"con\" disallowed as path element component on Windows"
    )


@pytest.mark.parametrize(("text", "prefix", "major"), SPLITS)
def test_split_major(text: str, prefix: str, major: str) -> None:
    """A path is its prefix and its major version; on gopkg.in that stands behind a dot."""
    assert ModulePath(text).split_major() == (prefix, major)


@pytest.mark.parametrize(
    "text",
    ["x.y/z/v1", "x.y/z/v0", "x.y/z/v02", "x.y/z/v1.2", "gopkg.in/a", "gopkg.in/a.v", "gopkg.in/a.v00"],
)
def test_no_major_version(text: str) -> None:
    """What looks like a major version and cannot be one makes a path invalid."""
    assert split_path_version(text) is None


@pytest.mark.parametrize(("version", "major", "fits"), MAJORS)
def test_match_path_major(version: str, major: str, fits: bool) -> None:
    """A version fits a path whose major version it has, or that has none for v0, v1 and +incompatible."""
    assert match_path_major(version, major) == fits
    if fits:
        check_path_major(version, major)
    else:
        with pytest.raises(InvalidVersion):
            check_path_major(version, major)


def test_path_major_prefix() -> None:
    """The major version that tags must have is the suffix without its sign."""
    assert [path_major_prefix(text) for text in ("", "/v2", ".v1", ".v2-unstable")] == ["", "v2", "v1", "v2"]


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        (
            "ascii.com/abcdefghijklmnopqrstuvwxyz.-/~_0123456789",
            "ascii.com/abcdefghijklmnopqrstuvwxyz.-/~_0123456789",
        ),
        ("github.com/GoogleCloudPlatform/omega", "github.com/!google!cloud!platform/omega"),
    ],
)
def test_escape(plain: str, escaped: str) -> None:
    """Each capital becomes an exclamation mark and its small letter."""
    assert ModulePath(plain).escaped == escaped
    assert ModulePath.unescape(escaped).value == plain


@pytest.mark.parametrize("escaped", BADLY_ESCAPED)
def test_what_is_not_escaped_is_refused(escaped: str) -> None:
    """A bare capital, a dangling or doubled mark and anything outside ASCII is no escaped path."""
    with pytest.raises(InvalidPath):
        ModulePath.unescape(escaped)


@given(module_paths)
def test_escaping_round_trip(text: str) -> None:
    """Escaping loses nothing, and no escaped path has a capital."""
    path = ModulePath(text)
    assert ModulePath.unescape(path.escaped) == path
    assert path.escaped == path.escaped.lower()


@given(st.text("abAB!/.é", max_size=8))
def test_unescaping_is_the_inverse(text: str) -> None:
    """Whatever can be unescaped escapes to the same text, so that a module has one URL."""
    try:
        plain = unescape(text)
    except InvalidPath:
        return
    assert escape(plain) == text


@given(module_paths, module_paths)
def test_distinct_paths_stay_distinct_where_case_is_folded(left: str, right: str) -> None:
    """Two modules never share a key, on file systems that fold case too."""
    assert (left == right) == (escape(left).casefold() == escape(right).casefold())


def test_prefixes() -> None:
    """A path's prefixes are itself and its parents, the longest first."""
    assert ModulePath("a.b/c/v2").prefixes() == ("a.b/c/v2", "a.b/c", "a.b")
