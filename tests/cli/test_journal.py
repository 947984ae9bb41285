"""The journal of `run`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from goproxy_mirror.cli.journal import Journal
from goproxy_mirror.errors import MirrorError, NotFound, SourceUnavailable
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.ports import FileKind, StoredFile
from goproxy_mirror.protocol import File, Latest, List, Resolve
from goproxy_mirror.web.services import ChecksumJourney, Services

REQUEST = List(ModulePath.parse("a.example/m"))


def file(home: str | None) -> FileAnswer:
    """A file from somewhere, or from the store."""
    return FileAnswer(StoredFile(Path("x"), 1, 0.0), FileKind.MOD, home)


class FakeJourney:
    """Answers or raises what it is given."""

    def __init__(self, says: Callable[[], FileAnswer | TextAnswer]) -> None:
        self._says = says

    async def answer(
        self, request: List | Latest | Resolve | File, *, fetch: bool = True
    ) -> FileAnswer | TextAnswer:
        return self._says()


async def listened(journal: Journal, *answers: FileAnswer | TextAnswer | MirrorError) -> None:
    """Let these answers pass by the journal."""
    for answer in answers:

        def say(answer: FileAnswer | TextAnswer | MirrorError = answer) -> FileAnswer | TextAnswer:
            if isinstance(answer, MirrorError):
                raise answer
            return answer

        services = journal.around(Services(FakeJourney(say), cast("ChecksumJourney", None)))
        if isinstance(answer, MirrorError):
            with pytest.raises(MirrorError):
                await services.modules.answer(REQUEST)
        else:
            assert await services.modules.answer(REQUEST) is answer


async def test_nothing_asked() -> None:
    """A command that asked for nothing is not followed by a word."""
    assert Journal().lines(failures=True) == []


async def test_where_files_came_from() -> None:
    """Files are counted by their home; stored ones are told apart."""
    journal = Journal()
    await listened(
        journal, file("https://b.example"), file("https://a.example"), file("https://a.example"), file(None)
    )
    assert journal.lines(failures=True) == [
        "fetched 2 files from https://a.example, 1 file from https://b.example",
        "1 file was here already",
    ]


async def test_failures() -> None:
    """Failures are named, a few of them; an absence is what the go command lives by."""
    journal = Journal()
    await listened(
        journal, NotFound("no"), SourceUnavailable("a.example did not answer\nb.example has no address")
    )
    assert journal.lines(failures=True) == [
        "failed: the versions of a.example/m: a.example did not answer; b.example has no address"
    ]
    assert journal.lines(failures=False) == []


async def test_many_failures() -> None:
    """Many failures are not all listed."""
    journal = Journal()
    for number in range(8):
        journal.failed(List(ModulePath.parse(f"a.example/m{number}")), SourceUnavailable("down"))
    assert len(journal.lines(failures=True)) == 6
    assert journal.lines(failures=True)[-1] == "failed: 3 more"


async def test_stale_answers() -> None:
    """That an answer was old is said."""
    journal = Journal()
    await listened(journal, TextAnswer(b"", "text/plain", 0, 0.0, stale=True))
    assert "every source was down" in journal.lines(failures=True)[0]
