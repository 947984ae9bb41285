"""The rules in force, as they are shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from goproxy_mirror.config import Settings, load
from goproxy_mirror.ports import HostHealth
from goproxy_mirror.ports.inspection import Rule
from goproxy_mirror.transport import Hosts
from goproxy_mirror.wiring.listing import listed_rules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def settings(folder: Path, **flags: object) -> Settings:
    return load({"data": str(folder), **flags}, environ={"HOME": str(folder), "GOENV": "off"}).settings


def mirrors(found: Settings, wanted: str = "", hosts: Hosts | None = None) -> list[Rule]:
    """The mirror rules alone."""
    return [
        rule for rule in listed_rules(found, hosts or Hosts(), wanted) if rule.kind in {"own", "built-in"}
    ]


def urls(rule: Rule) -> list[str]:
    return [place.url for place in rule.places]


def test_own_rule_counts_before_the_built_in_one(folder: Path) -> None:
    """For a module only the rule that counts is shown, with its names filled in."""
    found = settings(folder, mirrors=["golang.org/x/{r}=https://git.example/{r}"])
    (rule,) = mirrors(found, "golang.org/x/text/width")
    assert (rule.kind, rule.left, urls(rule)) == ("own", "golang.org/x/text", ["https://git.example/text"])
    assert "golang.org/x/{r}" in rule.note


def test_rewrite_with_names_is_shown(folder: Path) -> None:
    """A place that a rewrite with names leads to stands among those that are asked."""
    rewrite = "https://github.com/{owner}/{repo}=https://gitee.example/mirrors/{repo}"
    (rule,) = mirrors(settings(folder, rewrites=[rewrite]), "golang.org/x/text")
    assert "https://gitee.example/mirrors/text" in urls(rule)


def test_more_particular_rule_counts(folder: Path) -> None:
    """`k8s.io/helm` is not `k8s.io/{repo}`."""
    (rule,) = mirrors(settings(folder), "k8s.io/helm")
    assert urls(rule) == ["https://github.com/helm/helm"]


def test_private_module_has_no_built_in_rule_and_no_rewrite(folder: Path) -> None:
    """As the sources have it."""
    found = settings(
        folder,
        private="golang.org/x/secret,corp.example",
        mirrors=["corp.example=https://github.com/corp/all"],
        rewrites=["https://github.com/=https://copy.example/"],
    )
    assert mirrors(found, "golang.org/x/secret") == []
    (rule,) = mirrors(found, "corp.example")
    assert urls(rule) == ["https://github.com/corp/all"]


@pytest.mark.parametrize("wanted", ["golang.org/x/{repo}", "golang.org/x/*", "golang.org"])
def test_rule_by_its_left_side(folder: Path, wanted: str) -> None:
    """As it is written, or by a glob; names stay names."""
    (rule,) = mirrors(settings(folder), wanted)
    assert rule.left == "golang.org/x/{repo}"
    assert urls(rule)[0] == "https://github.com/golang/{repo}"


def test_order_is_the_one_of_now(folder: Path) -> None:
    """A host that fails is asked after one that answers; a local repository keeps its place."""
    found = settings(
        folder,
        mirrors=[
            f"a.example={url}" for url in ("/srv/git/a", "https://slow.example/a", "https://good.example/a")
        ],
    )
    hosts = Hosts()
    now = time.time()
    hosts.restore(
        [
            HostHealth("slow.example", 5.0, 9.0, 0.9, 50, now),
            HostHealth("good.example", 0.1, 0.2, 0.0, 50, now),
        ]
    )
    (rule,) = [rule for rule in mirrors(found, hosts=hosts) if rule.kind == "own"]
    assert urls(rule) == ["file:///srv/git/a", "https://good.example/a", "https://slow.example/a"]


def test_upstream_list_of_a_module(folder: Path) -> None:
    """The first glob that matches counts, and the public list for all others; credentials are never shown."""
    found = settings(
        folder,
        upstream="https://name:secret@proxy.example,direct",
        upstreams=["corp.example/*=https://goproxy.corp.example"],
    )

    def lists(wanted: str) -> list[str]:
        return [rule.left for rule in listed_rules(found, Hosts(), wanted) if rule.kind == "upstream"]

    assert lists("corp.example/m") == ["corp.example/*"]
    assert lists("golang.org/x/text") == lists("golang.org/x/text/v2") == ["all other modules"]
    assert lists("") == ["corp.example/*", "all other modules"]
    assert "secret" not in repr(list(listed_rules(found, Hosts())))


def test_one_database_under_two_names(folder: Path) -> None:
    """It is shown once, as long as both names have the same places."""
    names = [rule.left for rule in listed_rules(settings(folder), Hosts()) if rule.kind == "sumdb"]
    assert names == ["sum.golang.org"]
    found = settings(folder, sumdb=["sum.golang.google.cn=https://mirror.example"])
    names = [rule.left for rule in listed_rules(found, Hosts()) if rule.kind == "sumdb"]
    assert names == ["sum.golang.org", "sum.golang.google.cn"]
