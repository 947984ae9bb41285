"""Which source a module has."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import Blocked
from goproxy_mirror.mirror.policy import Policy, Route
from goproxy_mirror.module.path import ModulePath
from tests.fakes.sources import FakeSource


def policy(*routes: str, direct: str = "corp.example,github.com/corp/*") -> Policy:
    """A policy with a source named after each route."""
    return Policy(
        direct=direct,
        origin=FakeSource("origin"),
        routes=[Route(glob, FakeSource(glob)) for glob in routes],
        public=FakeSource("public"),
        unlisted="corp.example",
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("golang.org/x/text", "public"),
        ("corp.example/team/a", "origin"),
        ("github.com/corp/b", "origin"),
        ("github.com/other/b", "github.com/*"),
    ],
)
def test_source_of_a_module(path: str, source: str) -> None:
    """Private modules come from their origin, also where a wider route matches them."""
    chosen = policy("github.com/*").source(ModulePath.parse(path))
    assert isinstance(chosen, FakeSource)
    assert chosen.name == source


@pytest.mark.parametrize(
    "glob", ["corp.example", "corp.example/*", "corp.example/team/*", "corp.example/team/a"]
)
def test_route_for_private_modules_alone(glob: str) -> None:
    """A route that is about nothing but private modules is the operator's own word about them."""
    chosen = policy("*", glob).source(ModulePath.parse("corp.example/team/a"))
    assert isinstance(chosen, FakeSource)
    assert chosen.name == glob


def test_private_names_are_not_looked_up() -> None:
    """A look-up would tell a private name to the outside."""
    with pytest.raises(Blocked, match="private here"):
        policy().check_lookup("corp.example/team/a")
    policy().check_lookup("golang.org/x/text")
