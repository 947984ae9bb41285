"""A home whose word is checked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goproxy_mirror.errors import (
    MirrorError,
    NotFound,
    NotRecorded,
    OutageDisguised,
    SecurityError,
    SourceUnavailable,
    Unproven,
)
from goproxy_mirror.module.dirhash import go_mod_hash
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info, Record, Witness
from goproxy_mirror.sources.proven import ProvenSource
from goproxy_mirror.sources.reading import read_info
from goproxy_mirror.verify.checker import Checker
from tests.fakes.proof import FakeLies, FakePins, FakeRecords
from tests.fakes.sources import TIME, FakeSource

PATH = ModulePath.parse("example.com/m")
MOD = b"module example.com/m\n"
PSEUDO = "v0.0.0-20240102030405-0123456789ab"
ORIGIN = Witness(Home("origin", "https://example.com/m"), named=True)
UPSTREAM = Witness(Home("upstream", "https://up.test"), named=True)
MIRROR = Witness(Home("mirror", "https://mirror.test/m"), named=True, authority=False)
STRANGER = Witness(Home("mirror", "https://stranger.test/m"), named=False, authority=False)


def of(version: str) -> ModuleVersion:
    return ModuleVersion(PATH, Version.parse(version))


def made(version: str, *, time: str = "2024-01-02T03:04:05Z", commit: str = "0123456789abcdef") -> Info:
    """A `.info` as a builder makes it."""
    body = f'{{"Version":"{version}","Time":"{time}","Origin":{{"VCS":"git","Hash":"{commit}"}}}}'
    return read_info(PATH, body.encode())


@dataclass
class Repository(FakeSource):
    """A home that builds what it answers: every answer of it has the `.info` of its revision."""

    infos: dict[str, Info] = field(default_factory=dict)
    mods: dict[str, bytes] = field(default_factory=dict)
    newest: str = "v1.0.0"

    async def latest(self, path: ModulePath) -> Found[Info]:
        self._answer("latest")
        return Found(self.infos[self.newest], self._home())

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        return await self.latest(path)

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        self._answer(f"{mv}.info")
        return Found(self.infos[str(mv.version)], self._home())

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self._answer(f"{mv}.mod")
        version = str(mv.version)
        return Found(self.mods.get(version, MOD), self._home(), self.infos.get(version))


class Bench:
    """A home behind the check, and a database that has records of these versions."""

    def __init__(
        self, source: FakeSource, witness: Witness, *recorded: str, outside: str = "", lenient: bool = False
    ) -> None:
        self.source = source
        self.records = FakeRecords(
            {str(of(version)): Record(1, go_mod_hash(MOD), None, 9) for version in recorded}
        )
        self.lies = FakeLies()
        checker = Checker(
            database=self.records,
            toolchains=None,
            outside=outside,
            pins=FakePins(),
            lies=self.lies,
            lenient=lenient,
        )
        self.proven = ProvenSource(source, witness, checker)


def repository(*versions: str, **infos: Info) -> Repository:
    made_infos = {version: made(version) for version in versions} | infos
    return Repository("repo", list(versions), infos=made_infos, newest=versions[-1])


async def test_proof_comes_with_the_file() -> None:
    """A `.mod` that is the recorded one says so; another one is refused."""
    bench = Bench(repository("v1.0.0"), ORIGIN, "v1.0.0")
    found = await bench.proven.go_mod(of("v1.0.0"))
    assert found.proof is not None
    assert (found.proof.by, found.proof.tree) == ("sum.test", 9)
    bench = Bench(Repository("repo", mods={"v1.0.0": b"module example.com/evil\n"}), MIRROR, "v1.0.0")
    with pytest.raises(SecurityError):
        await bench.proven.go_mod(of("v1.0.0"))
    assert [lie.home for lie in bench.lies.told] == [MIRROR.home]


async def test_liar_is_not_asked_again() -> None:
    """After one lie about a module, a mirror is not asked anything about it."""
    source = Repository("repo", mods={"v1.0.0": b"module example.com/evil\n"})
    bench = Bench(source, MIRROR, "v1.0.0", "v1.1.0")
    with pytest.raises(SecurityError):
        await bench.proven.go_mod(of("v1.0.0"))
    source.asked.clear()
    for ask in (
        bench.proven.go_mod(of("v1.1.0")),
        bench.proven.info(of("v1.1.0")),
        bench.proven.versions(PATH),
        bench.proven.latest(PATH),
        bench.proven.resolve(PATH, Query.unescape("main")),
        bench.proven.zip(of("v1.1.0"), Path("unused")),
    ):
        with pytest.raises(SourceUnavailable, match="is not asked for"):
            await ask
    assert source.asked == []


async def test_invented_version_of_a_mirror_is_not_listed() -> None:
    """A mirror lists only what has a record; what it invents is dropped, whether it is the newest or not."""
    bench = Bench(repository("v0.5.0", "v1.0.0", "v1.9.9"), MIRROR, "v1.0.0")
    assert [str(version) for version in (await bench.proven.versions(PATH)).value] == ["v1.0.0"]


async def test_mirror_is_believed_once_a_version_matched() -> None:
    """The newest version that it lists has to be what is recorded; else nothing of its list is believed."""
    source = repository("v1.0.0", "v1.1.0")
    source.mods["v1.1.0"] = b"module example.com/evil\n"
    bench = Bench(source, MIRROR, "v1.0.0", "v1.1.0")
    with pytest.raises(SecurityError):
        await bench.proven.versions(PATH)


async def test_best_witnesses_list_by_themselves() -> None:
    """What upstreams and the origin list is not looked up version by version."""
    bench = Bench(repository("v1.0.0", "v1.9.9"), ORIGIN)
    assert len((await bench.proven.versions(PATH)).value) == 2
    assert bench.records.asked == []
    bench = Bench(repository("v1.0.0", "v1.1.0", "v1.2.0-rc.1"), UPSTREAM, "v1.1.0")
    assert len((await bench.proven.versions(PATH)).value) == 3
    assert bench.records.asked == ["example.com/m@v1.1.0"]


async def test_invented_newest_version_of_an_upstream_is_not_listed() -> None:
    """What a client would choose first has to have a record; where nobody can say, the upstream is believed."""
    bench = Bench(repository("v1.0.0", "v1.9.8", "v1.9.9"), UPSTREAM, "v1.0.0")
    assert [str(version) for version in (await bench.proven.versions(PATH)).value] == ["v1.0.0"]
    bench = Bench(repository("v1.9.8-rc.1", "v1.9.9-rc.1"), UPSTREAM)
    assert (await bench.proven.versions(PATH)).value == ()
    bench = Bench(repository("v1.0.0", "v1.9.9"), UPSTREAM)
    bench.records.failing = Unproven("no answer")
    assert len((await bench.proven.versions(PATH)).value) == 2
    bench = Bench(repository("v1.0.0", "v1.9.9"), UPSTREAM, outside="example.com")
    assert len((await bench.proven.versions(PATH)).value) == 2


async def test_list_without_the_database() -> None:
    """A mirror's list that nobody can vouch for is not believed, unless the operator accepts that."""
    bench = Bench(repository("v1.0.0"), MIRROR)
    bench.records.failing = Unproven("no answer")
    with pytest.raises(Unproven):
        await bench.proven.versions(PATH)
    bench = Bench(repository("v1.0.0"), MIRROR, lenient=True)
    bench.records.failing = Unproven("no answer")
    assert len((await bench.proven.versions(PATH)).value) == 1


async def test_stranger_says_nothing_outside_the_database() -> None:
    """Of modules that no database is asked about, a mirror that nobody named for them is not believed; another one is."""
    bench = Bench(repository("v1.0.0"), STRANGER, outside="example.com")
    for ask in (bench.proven.versions(PATH), bench.proven.latest(PATH)):
        with pytest.raises(Unproven, match="not believed"):
            await ask
    bench = Bench(repository("v1.0.0"), MIRROR, outside="example.com")
    assert len((await bench.proven.versions(PATH)).value) == 1
    assert str((await bench.proven.latest(PATH)).value.version) == "v1.0.0"


@pytest.mark.parametrize("witness", [UPSTREAM, ORIGIN, MIRROR])
async def test_named_version_needs_a_record(witness: Witness) -> None:
    """Nobody's `@latest` or query names a version of which there is no record."""
    bench = Bench(repository("v1.9.9"), witness, "v1.0.0")
    for ask in (bench.proven.latest(PATH), bench.proven.resolve(PATH, Query.unescape("main"))):
        with pytest.raises(NotRecorded, match=r"v1\.9\.9"):
            await ask
    bench = Bench(repository("v1.0.0"), witness, "v1.0.0")
    assert str((await bench.proven.latest(PATH)).value.version) == "v1.0.0"


async def test_revision_without_the_proven_mod() -> None:
    """A `.info`, and what `@latest` says, is believed of no revision whose go.mod is another than the recorded one."""
    source = repository("v1.0.0")
    source.mods["v1.0.0"] = b"module example.com/moved\n"
    for witness in (ORIGIN, MIRROR):
        for ask in ("info", "latest"):
            bench = Bench(source, witness, "v1.0.0")
            with pytest.raises(SecurityError):
                await (bench.proven.info(of("v1.0.0")) if ask == "info" else bench.proven.latest(PATH))


async def test_latest_of_another_revision() -> None:
    """What a mirror calls its newest version has to be the revision that it builds this version from."""
    source = repository("v1.0.0")
    bench = Bench(source, MIRROR, "v1.0.0")
    good = await bench.proven.latest(PATH)
    assert good.value.body == source.infos["v1.0.0"].body
    forged = made("v1.0.0", commit="fedcba9876543210")

    class Forging(Repository):
        async def latest(self, path: ModulePath) -> Found[Info]:
            return Found(forged, self._home())

    bench = Bench(Forging("repo", infos=source.infos), MIRROR, "v1.0.0")
    with pytest.raises(SecurityError, match="another revision"):
        await bench.proven.latest(PATH)


@pytest.mark.parametrize("witness", [UPSTREAM, ORIGIN, MIRROR])
async def test_forged_time(witness: Witness) -> None:
    """A pseudo-version says when its commit was made: whatever else a `.info` says is not passed on."""
    forged = made(PSEUDO, time="2025-01-02T03:04:05Z")
    bench = Bench(Repository("repo", [PSEUDO], infos={PSEUDO: forged}, newest=PSEUDO), witness, PSEUDO)
    for ask in (bench.proven.info(of(PSEUDO)), bench.proven.latest(PATH)):
        info = (await ask).value
        assert info.body == f'{{"Version":"{PSEUDO}","Time":"2024-01-02T03:04:05Z"}}'.encode()
        assert info.time == TIME


@pytest.mark.parametrize("witness", [UPSTREAM, ORIGIN, MIRROR])
async def test_forged_commit(witness: Witness) -> None:
    """It also says how its commit's id begins: a `.info` of another commit is refused."""
    forged = made(PSEUDO, commit="ba9876543210")
    bench = Bench(Repository("repo", [PSEUDO], infos={PSEUDO: forged}, newest=PSEUDO), witness, PSEUDO)
    for ask in (bench.proven.info(of(PSEUDO)), bench.proven.latest(PATH)):
        with pytest.raises(SecurityError, match="the version says that it is 0123456789ab"):
            await ask
    good = Bench(repository(PSEUDO), witness, PSEUDO)
    info = (await good.proven.info(of(PSEUDO))).value
    assert info.body == made(PSEUDO).body


async def test_denied_version_that_has_a_record() -> None:
    """A home's no is an outage where the database has a record: the version exists, and another home may have it."""
    for says in (NotFound("gone"),):
        source = FakeSource("https://up.test", says)
        bench = Bench(source, UPSTREAM, "v1.0.0")
        for ask in (bench.proven.go_mod(of("v1.0.0")), bench.proven.info(of("v1.0.0"))):
            with pytest.raises(OutageDisguised, match="and yet"):
                await ask
        with pytest.raises(NotFound, match="gone"):
            await bench.proven.go_mod(of("v1.2.0"))


@pytest.mark.parametrize("failing", [Unproven("no answer"), SecurityError("a fork")])
async def test_denial_without_the_database(failing: MirrorError) -> None:
    """Where the database cannot say otherwise, a no is a no."""
    bench = Bench(FakeSource("https://up.test", NotFound("gone")), UPSTREAM)
    bench.records.failing = failing
    with pytest.raises(NotFound, match="gone"):
        await bench.proven.go_mod(of("v1.0.0"))


async def test_failing_home_leaves_no_look_up() -> None:
    """The look-up that goes on beside a fetch ends with it."""
    before = len(asyncio.all_tasks())
    bench = Bench(FakeSource("https://up.test", SourceUnavailable("broken")), UPSTREAM)

    async def hang(mv: ModuleVersion) -> Record:
        await asyncio.Event().wait()
        raise AssertionError

    bench.records.lookup = hang  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailable, match="broken"):
        await bench.proven.go_mod(of("v1.0.0"))
    assert len(asyncio.all_tasks()) == before
