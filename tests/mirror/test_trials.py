"""Places that are tried, with sources that say what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from goproxy_mirror.errors import (
    Blocked,
    CredentialsRefused,
    MirrorError,
    NoRepository,
    NotFound,
    NotRecorded,
    SecurityError,
    SourceTimeout,
    SourceUnavailable,
    Unproven,
    Unreachable,
)
from goproxy_mirror.mirror.trials import Candidate, Trials
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Found, Home, Info
from goproxy_mirror.ports.inspection import Place, Trial, Word
from tests.fakes.proof import FakeVerifier

PATH = ModulePath("example.com/m")


class Said:
    """A source with these versions; `failing` is raised for the list, `wrong` for a go.mod of that version."""

    def __init__(
        self,
        *versions: str,
        failing: MirrorError | None = None,
        wrong: dict[str, MirrorError] | None = None,
        silent: bool = False,
    ) -> None:
        self.all = tuple(map(Version, versions))
        self.failing = failing
        self.wrong = wrong or {}
        self.silent = silent
        self.asked: list[str] = []

    async def versions(self, path: ModulePath) -> Found[tuple[Version, ...]]:
        if self.silent:
            await asyncio.Event().wait()
        if self.failing is not None:
            raise self.failing
        return Found(self.all, Home("mirror", "x"))

    async def go_mod(self, mv: ModuleVersion) -> Found[bytes]:
        self.asked.append(str(mv.version))
        if str(mv.version) in self.wrong:
            raise self.wrong[str(mv.version)]
        return Found(b"module example.com/m\n", Home("mirror", "x"))

    async def latest(self, path: ModulePath) -> Found[Info]:
        raise AssertionError("not asked")

    async def resolve(self, path: ModulePath, query: Query) -> Found[Info]:
        raise AssertionError("not asked")

    async def info(self, mv: ModuleVersion) -> Found[Info]:
        raise AssertionError("not asked")

    async def zip(self, mv: ModuleVersion, into: Path) -> Found[None]:
        raise AssertionError("not asked")


class Recording(FakeVerifier):
    """A verifier whose database has a record of these versions."""

    def __init__(self, *recorded: str) -> None:
        super().__init__(listed=True)
        self.has = set(recorded)

    async def recorded(self, mv: ModuleVersion) -> bool:
        return str(mv.version) in self.has


async def tried(
    *sources: Said, verifier: FakeVerifier | None = None, others: Sequence[Said] = (), patience: float = 30
) -> tuple[Trial, ...]:
    """What is said of each source."""
    until = asyncio.get_running_loop().time() + patience
    candidates = [
        Candidate(Place(f"https://{number}.test", None), each, each) for number, each in enumerate(sources)
    ]
    return await Trials(verifier or Recording(), until=until).over(PATH, candidates, others)


async def word(source: Said, verifier: FakeVerifier | None = None) -> Word:
    (trial,) = await tried(source, verifier=verifier)
    return trial.word


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NoRepository("no"), Word.NO_REPOSITORY),
        (NotFound("no"), Word.NOT_THERE),
        (Unreachable("no", host="x"), Word.UNREACHABLE),
        (SourceTimeout("no"), Word.SLOW),
        (CredentialsRefused("no"), Word.REFUSED),
        (Blocked("no"), Word.REFUSED),
        (SourceUnavailable("no"), Word.FAILED),
        (Unproven("no"), Word.UNPROVEN),
    ],
)
async def test_failures(error: MirrorError, expected: Word) -> None:
    """Each kind has a word, and the reason is told in one line."""
    error.message = "a\nb"
    (trial,) = await tried(Said(failing=error))
    assert (trial.word, trial.reason, trial.versions) == (expected, "a; b", None)


async def test_newest_is_a_release() -> None:
    """The go.mod of the newest release is asked for, not of a pre-release above it."""
    source = Said("v1.9.0", "v1.10.0", "v1.11.0-rc.1")
    assert await word(source) is Word.PROVEN
    assert source.asked == ["v1.10.0"]


async def test_liar() -> None:
    """Other bytes than the recorded ones are a lie, unless it is the database that contradicts itself."""
    lie = SecurityError("it is not what was published")
    assert await word(Said("v1.0.0", wrong={"v1.0.0": lie})) is Word.LIED
    forked = FakeVerifier(listed=True, failing=Unproven("two histories"))
    assert await word(Said("v1.0.0", wrong={"v1.0.0": lie}), forked) is Word.UNPROVEN


async def test_invented_version() -> None:
    """One without a record is told, and the next one decides; where none has one, nothing is proven."""
    none = NotRecorded("no record")
    (trial,) = await tried(Said("v1.0.0", "v9.9.9", wrong={"v9.9.9": none}))
    assert (trial.word, "v9.9.9" in trial.reason) == (Word.PROVEN, True)
    versions = [f"v1.{number}.0" for number in range(10)]
    source = Said(*versions, wrong=dict.fromkeys(versions, none))
    assert await word(source) is Word.UNPROVEN
    assert len(source.asked) == 3


async def test_one_that_is_behind() -> None:
    """Versions count that others have and that have a record; what a liar or an unproven place names does not."""
    behind, newest = Said("v1.0.0"), Said("v1.0.0", "v1.1.0")
    lying = Said("v1.0.0", "v1.2.0", wrong={"v1.2.0": SecurityError("no")})
    found = await tried(behind, newest, lying, verifier=Recording("v1.0.0", "v1.1.0", "v1.2.0"))
    assert [trial.word for trial in found] == [Word.BEHIND, Word.PROVEN, Word.LIED]
    assert "v1.1.0" in found[0].reason
    assert "v1.2.0" not in found[0].reason


async def test_upstream_knows_more() -> None:
    """What an upstream lists counts too; without a record it does not, and an upstream that fails says nothing."""
    down, upstream = Said(failing=SourceUnavailable("down")), Said("v1.0.0", "v2.0.0")
    (trial,) = await tried(Said("v1.0.0"), verifier=Recording("v2.0.0"), others=[down, upstream])
    assert trial.word is Word.BEHIND
    (trial,) = await tried(Said("v1.0.0"), verifier=Recording(), others=[upstream])
    assert trial.word is Word.PROVEN


async def test_place_without_versions() -> None:
    """It lives."""
    (trial,) = await tried(Said())
    assert (trial.word, trial.versions, trial.word.is_living) == (Word.UNTAGGED, 0, True)


async def test_time_is_up() -> None:
    """A place that keeps silent holds up nobody else."""
    found = await tried(Said(silent=True), Said("v1.0.0"), patience=0.2)
    assert [trial.word for trial in found] == [Word.SLOW, Word.PROVEN]


async def test_one_version_alone() -> None:
    """Where no list can be had, the one file that is named is asked for."""
    source = Said(failing=SourceUnavailable("there is no list"))
    candidate = Candidate(Place("https://x.test", "x.test"), source, source, only=Version("v0.0.1"))
    until = asyncio.get_running_loop().time() + 30
    (trial,) = await Trials(Recording(), until=until).over(PATH, [candidate])
    assert (trial.word, source.asked, trial.seconds is not None) == (Word.PROVEN, ["v0.0.1"], True)
