"""What is expected to be asked for next."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from goproxy_mirror.mirror.foresight import Foresight
from goproxy_mirror.module.modfile import GoMod, parse_lax
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.protocol import File


def mv(text: str) -> ModuleVersion:
    """`example.test/NAME` at a version, from `NAME@v1.0.0`."""
    name, _, version = text.partition("@")
    return ModuleVersion(ModulePath.parse(f"example.test/{name}"), Version.parse(version))


def mod(go: str, *required: str) -> GoMod:
    """A go.mod that requires them."""
    lines = "".join(f"require {each.path} {each.version}\n" for each in map(mv, required))
    return parse_lax(f"module example.test/x\ngo {go}\n{lines}".encode())


def names(files: Sequence[File]) -> list[str]:
    """Their names, without the host."""
    return [str(each).removeprefix("example.test/") for each in files]


class Client:
    """A go command that asks for `.mod` and `.info` files, each a millisecond after the other."""

    def __init__(self) -> None:
        self.foresight = Foresight()
        self.now = 0.0

    def reads(self, asked: str, go: str = "1.21", *required: str) -> list[str]:
        """A `.mod` is asked for and arrives: what is expected then."""
        self.now += 0.001
        before = self.foresight.asked(File(mv(asked), FileKind.MOD), self.now)
        return [*names(before), *self.arrives(asked, go, *required)]

    def arrives(self, arrived: str, go: str, *required: str) -> list[str]:
        """A `.mod` arrives that nobody has asked for."""
        read = mod(go, *required)
        pruned = read.language_at_least(1, 17)
        return names(self.foresight.arrived(mv(arrived), read.requires, self.now, pruned=pruned))

    def info(self, asked: str, *, used: bool = False) -> list[str]:
        """A `.info` is asked for; `used`: it was fetched ahead."""
        self.now += 0.001
        foresight = self.foresight
        request = File(mv(asked), FileKind.INFO)
        return names(foresight.used(request, self.now) if used else foresight.asked(request, self.now))


@pytest.fixture
def client() -> Client:
    return Client()


def test_all_below_an_old_module_is_read(client: Client) -> None:
    """What a module of go 1.16 requires is expected, and what stands below that, whatever its own go version is."""
    assert client.reads("a@v1.0.0", "1.16", "b@v1.0.0", "c@v1.0.0") == ["b@v1.0.0.mod", "c@v1.0.0.mod"]
    assert client.arrives("b@v1.0.0", "1.22", "d@v1.0.0") == ["d@v1.0.0.mod"]


def test_requirements_of_a_pruned_module_are_left_alone(client: Client) -> None:
    """A go command passes over what a module of go 1.17 requires, since the main module lists it."""
    assert client.reads("a@v1.0.0", "1.17", "b@v1.0.0") == []


def test_an_info_announces_its_list(client: Client) -> None:
    """Whose `.info` is asked for first is being added: its `.mod` is expected, and all that it requires once one of that is."""
    assert client.info("a@v1.0.0") == ["a@v1.0.0.mod"]
    assert client.reads("a@v1.0.0", "1.21", "b@v1.0.0", "c@v1.2.0", "d@v1.0.0") == []
    assert client.reads("c@v1.2.0") == ["b@v1.0.0.mod", "d@v1.0.0.mod"]
    assert client.arrives("b@v1.0.0", "1.21", "e@v1.0.0") == []
    assert client.reads("d@v1.0.0") == [], "once"
    client.info("x@v1.0.0")
    client.reads("x@v1.0.0", "1.21", "m@v1.0.0", "n@v1.0.0", "b@v0.9.0")
    assert client.reads("n@v1.0.0") == ["m@v1.0.0.mod"], "b is known at a higher version"


def test_a_client_that_reads_all_is_recognised(client: Client) -> None:
    """Some versions that a pruned graph would pass over are asked for: the others are expected from now on."""
    low = [f"m{number}@v1.0.0" for number in range(6)]
    high = [f"m{number}@v1.5.0" for number in range(6)]
    assert client.reads("a@v1.0.0", "1.21", *low) == []
    assert client.reads("b@v1.0.0", "1.21", *high) == []
    for each in low[:3]:
        assert client.reads(each) == []
    assert client.reads(low[3])[:2] == ["m4@v1.0.0.mod", "m5@v1.0.0.mod"]
    assert client.reads("c@v1.0.0", "1.21", "z@v1.0.0") == ["z@v1.0.0.mod"]


def test_infos_follow_in_the_order_of_paths(client: Client) -> None:
    """Once the graph is read, one `.info` announces those of the paths after it, at their highest versions."""
    for name in ("d", "b", "c", "a"):
        client.reads(f"{name}@v1.0.0", "1.21", "c@v1.4.0", "x@v1.0.0")
    client.reads("c@v1.4.0")
    assert client.info("b@v1.0.0") == ["c@v1.4.0.info", "d@v1.0.0.info"]
    assert client.info("c@v1.4.0", used=True) == ["d@v1.0.0.info"]


def test_what_was_only_named_follows_where_a_client_wants_it(client: Client) -> None:
    """`go list -m all` asks for the `.info` of modules whose `.mod` it has not read, `go mod download` does not."""
    client.reads("b@v1.0.0", "1.21", "a@v1.0.0", "c@v1.0.0")
    assert client.info("b@v1.0.0") == []
    assert client.info("a@v1.0.0") == ["b@v1.0.0.info", "c@v1.0.0.mod", "c@v1.0.0.info"]
    assert client.arrives("c@v1.0.0", "1.16", "q@v1.0.0") == [], "it is read for its own sake"


def test_what_is_long_past_tells_nothing(client: Client) -> None:
    """The graph of another client, some minutes ago, is not expected any more."""
    for name in ("a", "b"):
        client.reads(f"{name}@v1.0.0")
    client.now += 200
    assert client.info("a@v1.0.0") == ["b@v1.0.0.info"]
    client.now += 200
    assert client.info("a@v1.0.0") == []
