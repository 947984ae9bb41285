"""What stands behind `direct`: the origin, its mirrors, and who may say no."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import (
    MirrorError,
    NeedsTool,
    NoRepository,
    NotFound,
    NotRecorded,
    OutageDisguised,
    SourceUnavailable,
    StorageFull,
    Unbuildable,
    Undiscovered,
    Unproven,
)
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Home, RepoRoot
from goproxy_mirror.sources import mirrors
from goproxy_mirror.sources.rules import MirrorRules, rules_from
from tests.fakes.homes import ORIGIN, PATH, RULE, World, away, home_of

DOWN = SourceUnavailable("500")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(mirrors, "RepositorySource", made.source)
    return made


async def test_origin_first(world: World) -> None:
    """An origin that is there is asked, its mirrors are not."""
    assert await home_of(world.homes()) == ORIGIN
    assert world.asked() == [ORIGIN]
    assert world.trusted[ORIGIN] is False


async def test_mirrors_first_when_ordered_so(world: World) -> None:
    """`order = mirrors,origin` asks the mirrors and leaves the origin alone."""
    world.page = away("vanity.test")
    assert await home_of(world.homes(order=("mirrors", "origin"))) == "https://one.test/text"


async def test_origin_no_is_final(world: World) -> None:
    """The origin is an authority: no mirror is asked after its no."""
    world.says[ORIGIN] = NotFound("unknown revision")
    with pytest.raises(NotFound):
        await home_of(world.homes())
    assert world.asked() == [ORIGIN]


async def test_no_repository_at_the_origin(world: World) -> None:
    """An origin without the repository is followed by the mirrors; where they have none either, it is absent."""
    world.says[ORIGIN] = NoRepository("there is no git repository")
    assert await home_of(world.homes()) == "https://one.test/text"
    world.sources.clear()
    world.says |= {f"https://{name}.test/text": SourceUnavailable("500") for name in ("one", "two")}
    with pytest.raises(NotFound):
        await home_of(world.homes())


async def test_no_local_copy(world: World) -> None:
    """A local folder that lacks the repository is no authority about the module."""
    world.silent = {"vanity.test"}
    world.says["file:///srv/text"] = NoRepository("there is no git repository")
    assert (
        await home_of(
            world.homes({"vanity.test/x/{repo}": ["file:///srv/{repo}", "https://two.test/{repo}"]})
        )
        == "https://two.test/text"
    )


@pytest.mark.parametrize("silent", ["vanity.test", "go.test"])
async def test_silent_origin_gives_way(world: World, silent: str) -> None:
    """A vanity host, or a repository's host, that does not connect in time: the mirrors answer, and it rests."""
    world.silent = {silent}
    assert await home_of(world.homes()) == "https://one.test/text"
    assert world.reach.resting(silent)


async def test_failing_origin_gives_way(world: World) -> None:
    """An origin that answers with failures is followed by its mirrors."""
    world.says[ORIGIN] = SourceUnavailable("500")
    assert await home_of(world.homes()) == "https://one.test/text"


async def test_who_rests_is_woken_where_nobody_else_answers(world: World) -> None:
    """A host that did not answer a moment ago is looked for again before a request fails for want of it."""
    world.reach.down = {"one.test", "go.test"}
    assert await home_of(world.homes()) == "https://two.test/text"
    assert world.woken == []
    world.sources["https://two.test/text"].says = SourceUnavailable("500")
    assert await home_of(world.homes()) == "https://one.test/text"
    assert world.woken == ["https://one.test/text"]


async def test_an_origin_that_fails_for_others_still_has_the_say(world: World) -> None:
    """An origin whose host is there and fails is asked after its mirrors, but it is asked before they may deny."""
    world.reach.down = world.reach.failing = {"go.test"}
    world.says = {f"https://{name}.test/text": NotFound("no") for name in ("one", "two")}
    assert await home_of(world.homes()) == ORIGIN
    world.reach.down = {"go.test"}
    world.reach.failing = set()
    world.sources.clear()
    with pytest.raises(NotFound):
        await home_of(world.homes())


async def test_only_home_is_woken(world: World) -> None:
    """The same for a module that has no other home."""
    world.reach.down = {"go.test"}
    assert await home_of(world.homes(rules={})) == ORIGIN
    assert world.woken == [ORIGIN]


async def test_full_disk_is_nobodys_outage(world: World) -> None:
    """Where our own disk has no room, no other home is asked for the same bytes."""
    world.says[ORIGIN] = StorageFull("no room")
    with pytest.raises(StorageFull):
        await home_of(world.homes())
    assert world.asked() == [ORIGIN]


@pytest.mark.parametrize("error", [Unproven("no answer"), NotRecorded("no record")])
async def test_what_nobody_can_vouch_for_ends_the_walk(world: World, error: Unproven) -> None:
    """A checksum database that cannot say is no home's failure, and another home would not make it say more."""
    world.says[ORIGIN] = error
    with pytest.raises(type(error)):
        await world.homes().go_mod(ModuleVersion(PATH, Version.parse("v1.2.3")))
    assert world.asked() == [ORIGIN]


async def test_a_version_without_a_record_is_one_homes_word(world: World) -> None:
    """Who names a latest version that has no record does not keep others from naming one that has."""
    world.says[ORIGIN] = NotRecorded("no record")
    assert (await world.homes().latest(PATH)).home.name == "https://one.test/text"


async def test_a_denied_record_is_no_absence(world: World) -> None:
    """Where homes deny what the database has a record of, every other home is asked, and the end is an outage."""
    denied = OutageDisguised("denied, and yet it has a record")
    world.says = {ORIGIN: denied, "https://one.test/text": denied}
    assert await home_of(world.homes()) == "https://two.test/text"
    world.sources["https://two.test/text"].says = NotFound("no")
    with pytest.raises(SourceUnavailable):
        await home_of(world.homes())


async def test_second_mirror(world: World) -> None:
    """With the first mirror dead the second answers, and the dead one is asked last from then on."""
    world.silent = {"vanity.test"}
    world.says["https://one.test/text"] = away("one.test")
    homes = world.homes()
    assert await home_of(homes) == "https://two.test/text"
    assert await home_of(homes) == "https://two.test/text"
    assert len(world.sources["https://one.test/text"].asked) == 1


async def test_mirrors_agree_on_absence(world: World) -> None:
    """With the origin out of reach, a no of every mirror that could be read is an absence."""
    world.silent = {"vanity.test"}
    world.says = {"https://one.test/text": NotFound("no"), "https://two.test/text": away("two.test")}
    with pytest.raises(NotFound):
        await home_of(world.homes())


async def test_one_mirror_knows_better(world: World) -> None:
    """A mirror's no does not keep the next one from answering: mirrors lag."""
    world.silent = {"vanity.test"}
    world.says = {"https://one.test/text": NotFound("no")}
    assert await home_of(world.homes()) == "https://two.test/text"


async def test_unbuildable_is_no_absence(world: World) -> None:
    """What a remote mirror cannot build is an outage in the end, whatever the others deny."""
    world.silent = {"vanity.test"}
    world.says = {"https://one.test/text": NotFound("no"), "https://two.test/text": Unbuildable("bad name")}
    with pytest.raises(SourceUnavailable):
        await home_of(world.homes())


async def test_local_mirror_is_an_authority(world: World) -> None:
    """A repository on a local path can say no."""
    world.silent = {"vanity.test"}
    rule = {"vanity.test/x/{repo}": ["file:///srv/{repo}", "https://two.test/{repo}"]}
    world.says["file:///srv/text"] = NotFound("no")
    with pytest.raises(NotFound):
        await home_of(world.homes(rule))
    assert world.asked() == ["file:///srv/text"]


async def test_local_path_is_not_told(world: World) -> None:
    """Neither the home nor the origin of a file names a path of this machine."""
    world.silent = {"vanity.test"}
    homes = world.homes({"vanity.test/x/{repo}": ["file:///srv/{repo}"]})
    await homes.versions(PATH)
    assert world.roots["file:///srv/text"].url == ""


async def test_slow_origin_without_living_mirrors(world: World) -> None:
    """Where no mirror can answer either, the origin may take longer to connect."""
    world.silent = {"go.test"}
    world.says = {f"https://{name}.test/text": away(f"{name}.test") for name in ("one", "two")}
    assert await home_of(world.homes()) == ORIGIN


async def test_everything_is_down(world: World) -> None:
    """With every home out of reach the error names each, and is no absence."""
    world.silent = {"vanity.test"}
    world.says = {f"https://{name}.test/text": away(f"{name}.test") for name in ("one", "two")}
    with pytest.raises(Undiscovered) as caught:
        await home_of(world.homes())
    assert all(host in caught.value.message for host in ("vanity.test", "one.test", "two.test"))


async def test_unknown_page_and_a_rule(world: World) -> None:
    """A page without go-import is a no, unless a rule says where the repository is."""
    world.page = NotFound("no go-import")
    assert await home_of(world.homes()) == "https://one.test/text"
    with pytest.raises(NotFound):
        await home_of(world.homes({}))


async def test_rewrites(world: World) -> None:
    """A rewrite gives mirrors of the origin's repository, and of what a rule names."""
    rewrites = {
        "https://github.com/": ["https://gitclone.test/github.com/", "https://proxy.test/https://github.com/"]
    }
    world.silent = {"github.com"}
    homes = world.homes({}, rewrites=rewrites)
    path = ModulePath.parse("github.com/x/y/sub/v2")
    assert await home_of(homes, path) == "https://gitclone.test/github.com/x/y"
    world.silent.add("vanity.test")
    world.says["https://github.com/golang/text"] = away("github.com")
    homes = world.homes({"vanity.test/x/{repo}": ["https://github.com/golang/{repo}"]}, rewrites=rewrites)
    assert await home_of(homes) == "https://gitclone.test/github.com/golang/text"


async def test_canonical_root(world: World) -> None:
    """A mirror's files are built under the canonical path, and name the canonical repository where it is known."""
    world.says[ORIGIN] = SourceUnavailable("500")
    await world.homes().versions(ModulePath.parse("vanity.test/x/text/sub/v2"))
    assert world.roots["https://one.test/text"] == RepoRoot("vanity.test/x/text", "git", ORIGIN)


@pytest.mark.parametrize("private", ["vanity.test", "vanity.test/x", "vanity.test/*"])
async def test_private_modules_keep_to_their_origin(world: World, private: str) -> None:
    """No built-in rule, no general rule and no rewrite leads a private module elsewhere; a rule that names it does."""
    general = {"{host}.test/x/{repo}": ["https://one.test/{repo}"]}
    world.silent = {"vanity.test"}
    world.page = away("vanity.test")
    with pytest.raises(MirrorError):
        await home_of(world.homes(general, builtin=RULE, private=private))
    assert world.asked() == []
    if private != "vanity.test/*":
        assert await home_of(world.homes(RULE, private=private)) == "https://one.test/text"


async def test_who_was_named_by_whom(world: World) -> None:
    """The origin, the operator's rules and rewrites are named; the built-in table and its rewrites are not."""
    rewrites = {"https://one.test/": ["https://far.test/"], "https://go.test/": ["https://near.test/"]}
    world.says = dict.fromkeys(
        (ORIGIN, *(f"https://{name}.test/text" for name in ("near", "far", "one", "two"))), DOWN
    )
    for own in (True, False):
        world.named.clear()
        with pytest.raises(SourceUnavailable):
            await home_of(world.homes(RULE if own else {}, builtin={} if own else RULE, rewrites=rewrites))
        assert world.named == {
            ORIGIN: True,
            "https://near.test/text": True,
            **dict.fromkeys((f"https://{name}.test/text" for name in ("one", "two", "far")), own),
        }


async def test_own_rules_before_the_builtin_table(world: World) -> None:
    """A user's rule wins over the table, however particular that is."""
    world.silent = {"vanity.test"}
    homes = world.homes(
        {"vanity.test/{a}/{b}": ["https://own.test/{b}"]},
        builtin={"vanity.test/x/text": ["https://b.test/t"]},
    )
    assert await home_of(homes) == "https://own.test/text"


async def test_particular_rules_win(world: World) -> None:
    """More literal elements win, then more literal characters."""
    world.silent = {"vanity.test"}
    rules = {
        "vanity.test/{a}/{b}": ["https://one.test/{b}"],
        "vanity.test/x/{b}": ["https://two.test/{b}"],
        "vanity.test/x/t{b}": ["https://three.test/t{b}"],
    }
    assert await home_of(world.homes(rules)) == "https://three.test/text"


async def test_other_version_control(world: World, tmp_path: Path) -> None:
    """A repository that is not git is asked by other means; what they say is the origin's own word."""
    world.page = RepoRoot("vanity.test/x/text", "hg", ORIGIN)
    homes = world.homes({})
    mv = ModuleVersion(PATH, Version.parse("v1.2.3"))
    origin = Home("origin", ORIGIN)
    versions = await homes.versions(PATH)
    assert (versions.value, versions.home) == ((mv.version,), origin)
    for found in (
        await homes.latest(PATH),
        await homes.resolve(PATH, Query("tip")),
        await homes.info(mv),
        await homes.go_mod(mv),
        await homes.zip(mv, tmp_path / "zip"),
    ):
        assert found.home == origin
    world.other = NotFound("no such module")
    with pytest.raises(NotFound):
        await homes.versions(PATH)


async def test_a_missing_program_is_no_absence(world: World) -> None:
    """Where the server lacks what it takes, that is said; a mirror of the module may still answer."""
    world.page = RepoRoot("vanity.test/x/text", "hg", ORIGIN)
    world.other = NeedsTool("needs hg and go on the server")
    with pytest.raises(NeedsTool, match="hg"):
        await home_of(world.homes({}))
    assert await home_of(world.homes()) == "https://one.test/text"


@pytest.mark.parametrize("vcs", ["git", "mod"])
async def test_credentials_are_not_lent_to_pages(world: World, vcs: str) -> None:
    """A page may name any URL; what is set for it is used where the module is private, or where the URL is at the module's
    own host."""
    for url, private, expected in (
        (ORIGIN, "", False),
        (ORIGIN, "vanity.test/x", True),
        ("https://vanity.test/text.git", "", True),
        ("https://vanity.test:8443/text.git", "", False),
        ("https://git.vanity.test/text.git", "", False),
    ):
        world.page = RepoRoot("vanity.test/x/text", vcs, url)
        assert await home_of(world.homes({}, private=private)) == url
        assert world.opened[url] is expected, (url, private)


async def test_mirrors_by_ssh(world: World) -> None:
    """A mirror's SSH server is a host of its own, and is shown without the user; what can be no address is no mirror."""
    world.silent = {"vanity.test"}
    world.says["git@one.test:text.git"] = away("one.test:22")
    rules = {"vanity.test/x/{r}": ["git@one.test:{r}.git", "ssh://git@two.test/{r}"]}
    homes = world.homes(rules)
    assert await home_of(homes) == "ssh://git@two.test/text"
    assert world.reach.resting("one.test:22")
    assert not world.reach.resting("one.test")
    assert world.roots["ssh://git@two.test/text"].url == "ssh://two.test/text"
    assert world.asked() == ["git@one.test:text.git", "ssh://git@two.test/text"]
    with pytest.raises(Undiscovered):
        await home_of(homes, ModulePath.parse("vanity.test/x/-text"))


def test_dots_are_no_name() -> None:
    """A placeholder that would stand for dots alone does not match: it would lead out of a folder."""
    rules = MirrorRules(rules_from({"a.test/x{n}.git": ["file:///srv/{n}"]}), (), (), "")
    assert rules.find("a.test/xn.git") is not None
    assert rules.find("a.test/x...git") is None
