"""The glob cases are golang.org/x/mod/module's and path.Match's (BSD-3-Clause, The Go Authors)."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import SettingError
from goproxy_mirror.module.patterns import PathPattern, expand, is_glob, match_globs

GLOBS = [
    ("", "rsc.io/quote", False),
    ("/", "rsc.io/quote", False),
    ("*/quote", "rsc.io/quote", True),
    ("*/quo", "rsc.io/quote", False),
    ("*/quo??", "rsc.io/quote", True),
    ("*/quo*", "rsc.io/quote", True),
    ("*quo*", "rsc.io/quote", False),
    ("rsc.io", "rsc.io/quote", True),
    ("*.io", "rsc.io/quote", True),
    ("rsc.io/", "rsc.io/quote", True),
    ("rsc", "rsc.io/quote", False),
    ("rsc*", "rsc.io/quote", True),
    ("rsc.io", "rsc.io/quote/v3", True),
    ("*/quote", "rsc.io/quote/v3", True),
    ("*/quote/", "rsc.io/quote/v3", True),
    ("*/quote/*", "rsc.io/quote/v3", True),
    ("*/quote/*/", "rsc.io/quote/v3", True),
    ("*/v3", "rsc.io/quote/v3", False),
    ("*/*/v3", "rsc.io/quote/v3", True),
    ("*/*/*", "rsc.io/quote/v3", True),
    ("*/*/*/*", "rsc.io/quote/v3", False),
    ("*/*/*,", "rsc.io/quote", False),
    ("*/*/*,,", "rsc.io/quote", False),
    ("*/*/*,,rsc.io", "rsc.io/quote", True),
    ("corp.example", "corp.example.org/x", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[^c]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("[a-ζ]*", "α", True),
    ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("[\\]a]", "]", True),
    ("[\\-x]", "-", True),
    ("[d-b]", "c", False),
    ("[^d-b]", "c", True),
    ("[]a]", "]", False),
    ("[-]", "-", False),
    ("[x-]", "x", False),
    ("[a-b-c]", "a", False),
    ("[", "a", False),
    ("[^bc", "a", False),
    ("a[", "ab", False),
    ("\\", "a", False),
    ("a\\", "a", False),
    ("[a\\", "a", False),
]  # fmt: skip

MATCHES = [
    ("golang.org/x/{repo}", "golang.org/x/text", "golang.org/x/text", "", {"repo": "text"}),
    ("golang.org/x/{repo}", "golang.org/x/tools/gopls/v2", "golang.org/x/tools", "/gopls/v2", {"repo": "tools"}),
    ("gopkg.in/{pkg}.v{major}", "gopkg.in/yaml.v3", "gopkg.in/yaml.v3", "", {"pkg": "yaml", "major": "3"}),
    ("gopkg.in/{user}/{pkg}.v{n}", "gopkg.in/a/b.v1/c", "gopkg.in/a/b.v1", "/c", {"user": "a", "pkg": "b", "n": "1"}),
    ("host.x/{repo}.git", "host.x/a.git/sub", "host.x/a.git", "/sub", {"repo": "a"}),
    ("google.golang.org/grpc", "google.golang.org/grpc/cmd/x", "google.golang.org/grpc", "/cmd/x", {}),
]  # fmt: skip


@pytest.mark.parametrize(("glob", "path", "expected"), GLOBS)
def test_match_globs(glob: str, path: str, expected: bool) -> None:
    """Globs match as GOPRIVATE does; malformed and empty ones match nothing."""
    assert match_globs(glob, path) is expected
    assert match_globs([glob], path) is expected
    assert match_globs(["corp.example", glob], path) is expected


@pytest.mark.parametrize("glob", ["[", "[]a]", "[-]", "[x-]", "a\\", "[a\\"])
def test_malformed_globs(glob: str) -> None:
    """A glob that matches nothing by mistake can be told from one that is meant."""
    assert not is_glob(glob)
    assert is_glob(glob.replace("[", "").replace("\\", "").replace("]", ""))


def test_many_stars_are_matched_quickly() -> None:
    """A glob of many stars does not go through all the ways in which it does not match."""
    assert not match_globs("*a" * 200 + "b", "a" * 2000)


@pytest.mark.parametrize(("pattern", "path", "root", "rest", "captures"), MATCHES)
def test_pattern_matches(pattern: str, path: str, root: str, rest: str, captures: dict[str, str]) -> None:
    """A pattern matches a repository's root, and gives what follows and what its names stand for."""
    match = PathPattern.parse(pattern).match(path)
    assert match is not None
    assert (match.root, match.rest, dict(match.captures)) == (root, rest, captures)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("golang.org/x/{repo}", "golang.org/x"),
        ("golang.org/x/{repo}", "golang.org/xyz/text"),
        ("golang.org/x/{repo}", "a.golang.org/x/text"),
        ("host.x/{repo}.git", "host.x/.git"),
        ("host.x/{repo}.git", "host.x/a.gitx"),
        ("google.golang.org/grpc", "google.golang.org/grpcx"),
        ("golang.org/x/{repo}", "golangXorg/x/text"),
    ],
)
def test_pattern_does_not_match(pattern: str, path: str) -> None:
    """A pattern matches whole elements, a name at least one character, and a dot only a dot."""
    assert PathPattern.parse(pattern).match(path) is None


def test_specificity() -> None:
    """More literal elements win, then more literal characters."""
    patterns = [
        "{host}/x",
        "golang.org/{a}/{b}",
        "golang.org/x/{repo}",
        "golang.org/x/{repo}.git",
        "golang.org/x/text",
    ]
    ranks = [PathPattern.parse(text).specificity for text in patterns]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert PathPattern.parse("golang.org/{a}/{b}").names == ("a", "b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a.b",
        "a.b/",
        "a.b//c",
        "a.b/{}",
        "a.b/{Repo}",
        "a.b/{repo",
        "a.b/repo}",
        "a.b/{a}{b}",
        "a.b/{a}/{a}",
        "a.b/*",
        "a.b/c d",
        "https://a.b/c",
        "a.b/{1x}",
    ],
)
def test_patterns_that_cannot_be_meant(text: str) -> None:
    """A pattern that cannot be meant is refused, with its text in the message."""
    with pytest.raises(SettingError) as caught:
        PathPattern.parse(text)
    assert f'"{text}"' in caught.value.message


def test_expand() -> None:
    """A template's names are filled in from the captures, as often as they stand there."""
    assert expand("https://github.com/{a}/go-{b}-{a}", {"a": "x", "b": "y"}) == "https://github.com/x/go-y-x"


@pytest.mark.parametrize(
    "template", ["https://x.y/{other}", "https://x.y/{Repo}", "https://x.y/{repo", "https://x.y/}"]
)
def test_templates_that_cannot_be_meant(template: str) -> None:
    """A name that the left side lacks, and a stray brace, are refused."""
    with pytest.raises(SettingError):
        expand(template, {"repo": "x"})
