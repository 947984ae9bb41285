"""How `fetch` asks, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from goproxy_mirror.cli.fetching import Fetcher, Outcome
from goproxy_mirror.cli.fetchreport import FetchReport
from goproxy_mirror.cli.wanted import ONLY_MOD, Wanted, from_argument
from goproxy_mirror.errors import NotFound, SourceUnavailable
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import StoredFile
from goproxy_mirror.protocol import File, Latest, List, Resolve

WITH_GO_MOD = "module a.example/m\n\ngo 1.20\n"


class FakeJourney:
    """Answers from a table of keys (without the module); everything else is not found. `asked` holds the keys."""

    def __init__(self, folder: Path, texts: Mapping[str, str]) -> None:
        self._folder = folder
        self._texts = texts
        self.asked: list[str] = []
        self.together = self.most_together = 0

    async def answer(
        self, request: List | Latest | Resolve | File, *, fetch: bool = True
    ) -> FileAnswer | TextAnswer:
        self.together += 1
        self.most_together = max(self.together, self.most_together)
        await asyncio.sleep(0)
        self.together -= 1
        key = request.key.removeprefix("a.example/m/")
        self.asked.append(key)
        if key not in self._texts:
            raise NotFound(f"{request}:\nthere is no such thing")
        if not isinstance(request, File):
            return TextAnswer(self._texts[key].encode(), "text/plain", 60, 0.0)
        path = self._folder / key.replace("/", "_")
        path.write_text(self._texts[key])
        size = len(self._texts[key])
        return FileAnswer(
            StoredFile(path, size, 0.0), request.kind, "https://home.example" if ".zip" in key else None
        )


def files(*versions: str, go_mod: str = WITH_GO_MOD) -> dict[str, str]:
    """The files of some versions."""
    return {f"@v/{version}.{kind}": go_mod for version in versions for kind in ("info", "mod", "zip")}


async def fetched(journey: FakeJourney, *wanted: str | Wanted) -> list[Outcome]:
    """The outcomes, in order of names."""
    outcomes: list[Outcome] = []
    items = [from_argument(item) if isinstance(item, str) else item for item in wanted]
    await Fetcher(journey, parallel=4).fetch(items, outcomes.append)
    return sorted(outcomes, key=lambda outcome: outcome.name)


async def test_version(tmp_path: Path) -> None:
    """All three files of a version are fetched; sizes add up; the home is named once."""
    journey = FakeJourney(tmp_path, files("v1.0.0"))
    size = 3 * len(WITH_GO_MOD)
    expected = [Outcome("a.example/m@v1.0.0", size, ("https://home.example",))]
    assert await fetched(journey, "a.example/m@v1.0.0") == expected
    assert journey.asked == ["@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip"]


async def test_only_the_go_mod(tmp_path: Path) -> None:
    """Where the go.mod is wanted alone, nothing else is fetched."""
    journey = FakeJourney(tmp_path, files("v1.0.0"))
    await fetched(journey, Wanted(ModulePath.parse("a.example/m"), "v1.0.0", ONLY_MOD))
    assert journey.asked == ["@v/v1.0.0.mod"]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("v1.2.0 v1.10.0 v1.9.0", "v1.10.0"),
        ("v1.0.0 v1.1.0-rc.1", "v1.0.0"),
        ("v0.1.0-alpha v0.1.0-beta", "v0.1.0-beta"),
        ("v1.0.0 v2.0.0+incompatible", "v1.0.0"),
        ("v2.0.0+incompatible", "v2.0.0+incompatible"),
        ("v1.0.0 nonsense v2.0.0", "v1.0.0"),
    ],
)
async def test_latest(tmp_path: Path, listed: str, expected: str) -> None:
    """The latest version is the one that the go command takes."""
    journey = FakeJourney(tmp_path, {"@v/list": listed.replace(" ", "\n"), **files(*listed.split())})
    (outcome,) = await fetched(journey, "a.example/m")
    assert outcome.name == f"a.example/m@{expected}"
    assert outcome.problem is None


async def test_latest_before_modules(tmp_path: Path) -> None:
    """A +incompatible version counts where the newest other one has no go.mod of its own."""
    journey = FakeJourney(
        tmp_path,
        {
            "@v/list": "v1.0.0\nv2.0.0+incompatible",
            **files("v1.0.0", "v2.0.0+incompatible", go_mod="module a.example/m\n"),
        },
    )
    (outcome,) = await fetched(journey, "a.example/m")
    assert outcome.name == "a.example/m@v2.0.0+incompatible"


async def test_latest_is_not_retracted(tmp_path: Path) -> None:
    """A version that the newest one's go.mod retracts is passed over, itself included."""
    texts = {"@v/list": "v1.0.0\nv1.1.0\nv1.2.0", **files("v1.0.0", "v1.1.0", "v1.2.0")}
    texts["@v/v1.2.0.mod"] = "module a.example/m\n\ngo 1.20\n\nretract [v1.1.0, v1.2.0]\n"
    (outcome,) = await fetched(FakeJourney(tmp_path, texts), "a.example/m@latest")
    assert outcome.name == "a.example/m@v1.0.0"


async def test_latest_without_versions(tmp_path: Path) -> None:
    """Where the list is empty, `@latest` says which version it is."""
    version = "v0.0.0-20240102030405-0123456789ab"
    texts = {"@v/list": "", "@latest": json.dumps({"Version": version}), **files(version)}
    (outcome,) = await fetched(FakeJourney(tmp_path, texts), "a.example/m")
    assert outcome.name == f"a.example/m@{version}"


async def test_query(tmp_path: Path) -> None:
    """A branch is resolved first; an answer that names no version is a failure."""
    journey = FakeJourney(tmp_path, {"@v/main.info": json.dumps({"Version": "v1.0.0"}), **files("v1.0.0")})
    assert (await fetched(journey, "a.example/m@main"))[0].name == "a.example/m@v1.0.0"
    broken = FakeJourney(tmp_path, {"@v/main.info": "[]"})
    assert "names no version" in str((await fetched(broken, "a.example/m@main"))[0].problem)


async def test_failure_is_one_line(tmp_path: Path) -> None:
    """A module that fails does not stop the others, and its reason is one line."""
    journey = FakeJourney(tmp_path, files("v1.0.0"))
    bad, good = await fetched(journey, "a.example/m@v1.0.0", "a.example/else@v1.0.0")
    assert bad.problem == "a.example/else@v1.0.0.info: there is no such thing"
    assert good.problem is None


async def test_parallelism_is_bounded(tmp_path: Path) -> None:
    """No more modules are in flight than allowed."""
    versions = [f"v1.{minor}.0" for minor in range(20)]
    journey = FakeJourney(tmp_path, files(*versions))
    await fetched(journey, *[f"a.example/m@{version}" for version in versions])
    assert journey.most_together == 4


def test_report() -> None:
    """One line for each module, and a summary."""
    out = io.StringIO()
    with FetchReport(3, Console(file=out, width=200)) as report:
        report.done(Outcome("a.example/one@v1.0.0", 2_000_000, ("https://a.example", "https://b.example")))
        report.done(Outcome("a.example/two@v1.0.0", 500))
        report.done(Outcome("a.example/[three]@latest", problem="nobody could say"))
    assert report.failed == 1
    assert [line.strip() for line in out.getvalue().splitlines() if line.strip()] == [
        "fetched a.example/one@v1.0.0  2.0 MB  https://a.example, https://b.example",
        "here    a.example/two@v1.0.0  500 bytes",
        "failed  a.example/[three]@latest: nobody could say",
        "3 modules: 1 fetched (2.0 MB), 1 here already, 1 failed",
    ]


async def test_nothing_hides_a_bug(tmp_path: Path) -> None:
    """An error that nobody foresaw is no module's failure: it ends the command."""

    class Broken(FakeJourney):
        async def answer(self, request: object, *, fetch: bool = True) -> FileAnswer | TextAnswer:
            raise RuntimeError("a bug")

    with pytest.raises(ExceptionGroup):
        await fetched(Broken(tmp_path, {}), "a.example/m")


async def test_outage(tmp_path: Path) -> None:
    """An outage is a failure with its reason."""

    class Down(FakeJourney):
        async def answer(self, request: object, *, fetch: bool = True) -> FileAnswer | TextAnswer:
            raise SourceUnavailable("https://a.example did not answer")

    (outcome,) = await fetched(Down(tmp_path, {}), "a.example/m")
    assert outcome == Outcome("a.example/m@latest", problem="https://a.example did not answer")
