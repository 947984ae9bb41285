"""Where a repository may also be had."""

from __future__ import annotations

import pytest

from goproxy_mirror.config.rules import parse_rewrites
from goproxy_mirror.sources.rules import MirrorRules, Rewrite


def rules(*rewrites: str) -> MirrorRules:
    parsed = parse_rewrites(list(rewrites))
    return MirrorRules((), (), [Rewrite(rule.left, rule.rights, rule.pattern) for rule in parsed], "")


@pytest.mark.parametrize(
    ("rewrite", "rewritten"),
    [
        ("https://github.com/=https://hub.example/", "https://hub.example/kubernetes/klog"),
        (
            "https://github.com/=https://clone.example/github.com/",
            "https://clone.example/github.com/kubernetes/klog",
        ),
        (
            "https://github.com/=https://ghproxy.example/https://github.com/",
            "https://ghproxy.example/https://github.com/kubernetes/klog",
        ),
        (
            "https://github.com/{owner}/{repo}=https://gitee.example/mirrors/{repo}",
            "https://gitee.example/mirrors/klog",
        ),
        (
            "https://github.com/{owner}/{repo}=https://gitee.example/{owner}-{repo}.git",
            "https://gitee.example/kubernetes-klog.git",
        ),
        ("https://github.com/kubernetes/{repo}=git@ssh.example:k8s/{repo}", "git@ssh.example:k8s/klog"),
    ],
    ids=["host", "path", "prefix", "owner", "names", "ssh"],
)
def test_forms_of_rewrites(rewrite: str, rewritten: str) -> None:
    """Another host, a path within, a URL in front, a renamed owner."""
    assert rules(rewrite).rewritten("https://github.com/kubernetes/klog") == (rewritten,)


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.com/kubernetes/klog",
        "https://github.com/kubernetes",
        "https://github.com/kubernetes/klog/v2",
        "https://github.com/kubernetes/..",
        "ssh://github.com/kubernetes/klog",
    ],
)
def test_names_stand_for_one_repository(url: str) -> None:
    """A rewrite with names is about whole repository URLs, and makes no path of dots."""
    assert (
        rules("https://github.com/{owner}/{repo}=https://gitee.example/mirrors/{repo}").rewritten(url) == ()
    )


def test_the_most_particular_first() -> None:
    """The longer left side is asked first; both count."""
    both = rules(
        "https://github.com/=https://hub.example/",
        "https://github.com/kubernetes/{repo}=https://k8s.example/{repo}",
    )
    assert both.rewritten("https://github.com/kubernetes/klog") == (
        "https://k8s.example/klog",
        "https://hub.example/kubernetes/klog",
    )


@pytest.mark.parametrize(
    "rewrite",
    [
        "https://github.com/{owner}/{repo}=https://gitee.example/{name}",
        "https://github.com/{owner}{repo}=https://gitee.example/{repo}",
        "https://github.com/{owner=https://gitee.example/x",
        "https://github.com/=https://gitee.example/{repo}/",
    ],
)
def test_names_that_lead_nowhere(rewrite: str) -> None:
    """A name on the right has to stand on the left."""
    with pytest.raises(ValueError, match=r"name|brace|besides|does not have"):
        parse_rewrites([rewrite])
