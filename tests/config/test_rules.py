"""Mirror rules and rewrites."""

from __future__ import annotations

import re

import pytest

from goproxy_mirror.config.rules import (
    MirrorRule,
    RewriteRule,
    as_pairs,
    builtin_mirrors,
    parse_mirrors,
    parse_rewrites,
)
from goproxy_mirror.module.patterns import expand


def test_same_left_side_is_one_rule() -> None:
    """Several right sides of one left side are candidates in the order in which they were given."""
    (rule,) = parse_mirrors(["a.example/{r}=https://m.example/{r}", "a.example/{r}=https://n.example/{r}"])
    assert rule.pattern.text == "a.example/{r}"
    assert rule.candidates == ("https://m.example/{r}", "https://n.example/{r}")
    assert not rule.builtin


def test_three_ways_to_write_rules() -> None:
    """A table, a list of texts and one text mean the same."""
    table = as_pairs({"a.example": ["https://m.example/a", "https://n.example/a"]})
    texts = as_pairs(["a.example=https://m.example/a", "a.example=https://n.example/a"])
    text = as_pairs("a.example=https://m.example/a\na.example=https://n.example/a")
    assert table == texts == text


def test_path_of_this_machine() -> None:
    """The operator may name a repository of this machine; braces stay a template."""
    (rule,) = parse_mirrors(["a.example/{r}=/srv/my git/{r}.git"])
    assert rule.candidates == ("file:///srv/my%20git/{r}.git",)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("a.example", "LEFT=RIGHT"),
        ("=https://m.example", "LEFT=RIGHT"),
        ("a.example/{r}=https://m.example/{repo}", "{repo}"),
        ("a.example/{r=https://m.example/", "left side of a mirror rule"),
        ("a.example=http://m.example/a", "allowed on the right are https://"),
        ("a.example=git@-oProxyCommand=x:a", "allowed on the right are https://"),
        ("a.example/{r}=git@m.example:../{r}", "allowed on the right are https://"),
        ("a.example=ssh://git:hunter2@m.example/a", "allowed on the right are https://"),
        ("a.example=ssh://m.example/a", "allowed on the right are https://"),
        ("a.example=--upload-pack=x", "allowed on the right are https://"),
        ("a.example=ext::sh", "allowed on the right are https://"),
        ("a.example=srv/git", "allowed on the right are https://"),
        ("a.example=https://u:hunter2@m.example/a", "without credentials"),
    ],
)
def test_wrong_mirrors(rule: str, problem: str) -> None:
    """What cannot be a mirror is refused with what can, and without its credentials."""
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        parse_mirrors([rule])
    assert "hunter2" not in str(caught.value)


def test_right_sides_by_ssh() -> None:
    """Both spellings of an SSH address with a user are taken, names in them too; a rewrite's end stays below home."""
    rules = parse_mirrors(["a.example/{r}=git@m.example:{r}.git", "b.example/{r}=ssh://git@m.example:29/{r}"])
    assert [rule.candidates for rule in rules] == [
        ("git@m.example:{r}.git",),
        ("ssh://git@m.example:29/{r}",),
    ]
    (first, second) = parse_rewrites(
        ["https://a.example=ssh://git@m.example", "https://b.example=git@m.example:"]
    )
    assert (first.rights, second.rights) == (("ssh://git@m.example/",), ("git@m.example:",))


def test_rewrites_end_with_slashes() -> None:
    """Both sides end at a path element, so that another host's name cannot begin with the left side."""
    assert parse_rewrites(["https://github.com=https://m.example/github.com"]) == (
        RewriteRule("https://github.com/", ("https://m.example/github.com/",)),
    )


def test_rewrite_with_a_url_inside() -> None:
    """A mirror that wants the whole URL after its own is a rewrite as any."""
    (rule,) = parse_rewrites(["https://github.com/=https://ghproxy.example/https://github.com/"])
    assert rule.rights == ("https://ghproxy.example/https://github.com/",)


@pytest.mark.parametrize(
    "rewrite",
    [
        "github.com/=https://m.example/",
        "http://github.com/=https://m.example/",
        "https://u:p@h/=https://m.example/",
        "https://h/?x=https://m.example/",
    ],
)
def test_wrong_rewrites(rewrite: str) -> None:
    """The left side of a rewrite is the https URL of a repository's parent."""
    with pytest.raises(ValueError, match="allowed"):
        parse_rewrites([rewrite])


@pytest.mark.parametrize(
    ("path", "url", "rest"),
    [
        ("golang.org/x/tools/gopls", "https://github.com/golang/tools", "/gopls"),
        (
            "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
            "https://github.com/grpc/grpc-go",
            "/cmd/protoc-gen-go-grpc",
        ),
        ("google.golang.org/protobuf", "https://github.com/protocolbuffers/protobuf-go", ""),
        (
            "google.golang.org/genproto/googleapis/rpc",
            "https://github.com/googleapis/go-genproto",
            "/googleapis/rpc",
        ),
        ("cloud.google.com/go/storage", "https://github.com/googleapis/google-cloud-go", "/storage"),
        ("k8s.io/klog/v2", "https://github.com/kubernetes/klog", "/v2"),
        ("k8s.io/helm", "https://github.com/helm/helm", ""),
        ("sigs.k8s.io/yaml", "https://github.com/kubernetes-sigs/yaml", ""),
        ("go.uber.org/zap", "https://github.com/uber-go/zap", ""),
        ("go.uber.org/net/metrics", "https://github.com/yarpc/metrics", ""),
        ("go.etcd.io/etcd/api/v3", "https://github.com/etcd-io/etcd", "/api/v3"),
        ("go.opentelemetry.io/otel/sdk", "https://github.com/open-telemetry/opentelemetry-go", "/sdk"),
        ("gonum.org/v1/gonum", "https://github.com/gonum/gonum", ""),
        ("gopkg.in/yaml.v3", "https://github.com/go-yaml/yaml", ""),
        ("gopkg.in/natefinch/lumberjack.v2", "https://github.com/natefinch/lumberjack", ""),
        ("honnef.co/go/tools", "https://github.com/dominikh/go-tools", ""),
        ("rsc.io/quote/v3", "https://github.com/rsc/quote", "/v3"),
        ("gotest.tools/v3", "https://github.com/gotestyourself/gotest.tools", "/v3"),
        ("go.starlark.net", "https://github.com/google/starlark-go", ""),
    ],
)
def test_builtin_table(path: str, url: str, rest: str) -> None:
    """The built-in table knows the repositories behind well-known prefixes; the longer line wins."""
    matches = [(rule, found) for rule in builtin_mirrors() if (found := rule.pattern.match(path))]
    rule, match = max(matches, key=lambda item: item[0].pattern.specificity)
    assert expand(rule.candidates[0], match.captures) == url
    assert match.rest == rest


@pytest.mark.parametrize(
    "path", ["golang.org/toolchain", "github.com/golang/text", "golang.org/x", "gopkg.in/yaml"]
)
def test_not_in_the_builtin_table(path: str) -> None:
    """What is not below a known prefix has no built-in mirror."""
    assert not any(rule.pattern.match(path) for rule in builtin_mirrors())


def test_builtin_rules_are_marked() -> None:
    """A rule knows that nobody but this program said it, since private modules must not use it."""
    assert all(isinstance(rule, MirrorRule) and rule.builtin for rule in builtin_mirrors())
