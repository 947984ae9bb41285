"""The journey of a request: storage, one fetch per key, sources and proof, publication, answer.

`Files` has what is stored for ever, `Texts` what has a time to live.
"""

from __future__ import annotations

from goproxy_mirror.mirror.ahead import Ahead
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.mirror.files import Files
from goproxy_mirror.mirror.texts import Texts
from goproxy_mirror.protocol import File, Latest, List, Resolve


class MirrorService:
    """Answers module requests; one per process. Raises what `Source`, `Verifier` and `Storage` raise."""

    def __init__(self, files: Files, texts: Texts, ahead: Ahead) -> None:
        self._files = files
        self._texts = texts
        self.ahead = ahead
        """What was fetched before anybody asked for it, and how much of that was of use."""

    async def answer(
        self, request: List | Latest | Resolve | File, *, fetch: bool = True
    ) -> FileAnswer | TextAnswer:
        """The answer to a request; with `fetch` off, only what is held (`Disable-Module-Fetch`)."""
        if isinstance(request, File):
            return await self._files.answer(request, fetch=fetch)
        return await self._texts.answer(request, fetch=fetch)
