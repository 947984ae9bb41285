"""What was asked of the proxy while it ran, and where the answers came from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from goproxy_mirror.errors import MirrorError, NotFound
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.protocol import File, Latest, List, Resolve
from goproxy_mirror.web.services import ModuleJourney, Services

_SHOWN_FAILURES = 5


class Journal:
    """Listens at the door of the journey. Counts files and remembers failures; absences are the daily bread of go."""

    def __init__(self) -> None:
        self._fetched: Counter[str] = Counter()
        self._stored = 0
        self._stale = 0
        self._failures: dict[str, str] = {}

    def around(self, services: Services) -> Services:
        """The same services, listened to."""
        return replace(services, modules=_Listened(services.modules, self))

    def answered(self, answer: FileAnswer | TextAnswer) -> None:
        """Take down an answer."""
        match answer:
            case FileAnswer(home=None):
                self._stored += 1
            case FileAnswer(home=str() as home):
                self._fetched[home] += 1
            case TextAnswer(stale=True):
                self._stale += 1

    def failed(self, request: List | Latest | Resolve | File, failure: MirrorError) -> None:
        """Take down a failure."""
        if not isinstance(failure, NotFound):
            self._failures[str(request)] = failure.line

    def lines(self, *, failures: bool) -> list[str]:
        """The journal in a few lines; none where nothing was asked.

        The go command asks for every prefix of an import path, so that failures only say something where it failed too.
        """
        found = []
        if self._fetched:
            homes = ", ".join(f"{_files(count)} from {home}" for home, count in self._fetched.most_common())
            found.append(f"fetched {homes}")
        if self._stored:
            found.append(f"{_files(self._stored)} {'was' if self._stored == 1 else 'were'} here already")
        if self._stale:
            questions = "1 question" if self._stale == 1 else f"{self._stale} questions"
            found.append(f"{questions} answered as before, since every source was down")
        if not failures:
            return found
        failed = [f"failed: {request}: {reason}" for request, reason in self._failures.items()]
        if len(failed) > _SHOWN_FAILURES:
            failed[_SHOWN_FAILURES:] = [f"failed: {len(failed) - _SHOWN_FAILURES} more"]
        return found + failed


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


class _Listened:
    """A journey with a journal at its door."""

    def __init__(self, journey: ModuleJourney, journal: Journal) -> None:
        self._journey = journey
        self._journal = journal

    async def answer(
        self, request: List | Latest | Resolve | File, *, fetch: bool = True
    ) -> FileAnswer | TextAnswer:
        try:
            answer = await self._journey.answer(request, fetch=fetch)
        except MirrorError as failure:
            self._journal.failed(request, failure)
            raise
        self._journal.answered(answer)
        return answer
