"""Files that were stored without a proof: proven at their first use, or taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, SecurityError, SourceUnavailable, Unproven
from goproxy_mirror.mirror.answers import FileAnswer, Lasting
from goproxy_mirror.ports import FileKind, Proof
from goproxy_mirror.protocol import File, parse
from tests.mirror.conftest import Journey

MOD = "/example.com/m/@v/v1.0.0.mod"
INFO = "/example.com/m/@v/v1.0.0.info"
ZIP = "/example.com/m/@v/v1.0.0.zip"
OLD = b"module example.com/m // as it was stored\n"


async def stored(journey: Journey, path: str, content: bytes) -> str:
    """A file that an earlier version published, without a proof unless it is a `.info`."""
    request = parse(path)
    assert isinstance(request, File)
    async with journey.storage.stage() as staged:
        staged.write_bytes(content)
        await journey.storage.create(request.key, staged)
    if not path.endswith(".info"):
        journey.provenance.doubted.add(request.key)
    await journey.doubts.load()
    return request.key


async def content(journey: Journey, path: str) -> bytes:
    """What is answered."""
    request = parse(path)
    assert isinstance(request, File)
    answer = await journey.service.answer(request)
    assert isinstance(answer, FileAnswer)
    return answer.path.read_bytes()


async def test_doubted_file_is_proven_once(journey: Journey) -> None:
    """At its first use; later uses cost nothing, and nothing is fetched."""
    await stored(journey, MOD, OLD)
    assert await content(journey, MOD) == await content(journey, MOD) == OLD
    assert journey.verifier.asked == ["example.com/m@v1.0.0.mod"]
    assert journey.source.asked == []
    assert journey.provenance.doubted == set()


async def test_wrong_file_is_quarantined(journey: Journey) -> None:
    """It is fetched anew within the same request, and kept aside for whoever wants to know."""
    key = await stored(journey, MOD, OLD)
    journey.verifier.wrong.add(OLD)
    assert await content(journey, MOD) == b"module example.com/m\n"
    (kept,) = (journey.folder / "state/quarantine" / Path(key).parent).iterdir()
    assert kept.read_bytes() == OLD


async def test_info_goes_with_its_mod(journey: Journey) -> None:
    """A `.info` was believed with its `.mod`: where that one is wrong, both are taken out."""
    await stored(journey, MOD, OLD)
    await stored(journey, INFO, b'{"Version":"v1.0.0","Time":"1999-01-01T00:00:00Z"}')
    journey.verifier.wrong.add(OLD)
    assert b"1999" not in await content(journey, INFO)


async def test_nobody_can_say(journey: Journey) -> None:
    """What is not proven is not served while the database cannot be asked, and stays where it is."""
    key = await stored(journey, ZIP, b"a zip")
    journey.verifier.failing = Unproven("sum.test does not answer")
    with pytest.raises(Unproven, match="does not answer"):
        await content(journey, ZIP)
    assert journey.storage.look(key) is not None
    journey.verifier.failing = None
    assert await content(journey, ZIP) == b"a zip"


async def test_proven_file_needs_nobody(journey: Journey) -> None:
    """Positive control: what is stored and proven is served while the database cannot be asked."""
    await content(journey, MOD)
    journey.verifier.failing = Unproven("sum.test does not answer")
    assert await content(journey, MOD) == b"module example.com/m\n"


async def test_info_waits_for_its_mod(journey: Journey) -> None:
    """Where a database has the module, a `.info` is published only beside the `.mod` of its version."""
    journey.verifier.listed = True
    assert b"v1.0.0" in await content(journey, INFO)
    assert sorted(journey.source.asked) == ["example.com/m@v1.0.0.info", "example.com/m@v1.0.0.mod"]
    mod = parse(MOD)
    assert isinstance(mod, File)
    assert journey.storage.look(mod.key) is not None


@pytest.mark.parametrize("path", [MOD, INFO, ZIP])
async def test_what_has_a_record_is_never_absent(journey: Journey, path: str) -> None:
    """Whoever denies it, and it is not remembered as an absence; positive control: without a record it is one."""
    journey.verifier.listed = True
    journey.source.says = NotFound("no such module")
    journey.verifier.records.add("example.com/m@v1.0.0")
    with pytest.raises(SourceUnavailable, match="and yet"):
        await content(journey, path)
    journey.verifier.records.clear()
    with pytest.raises(NotFound, match="no such module"):
        await content(journey, path)


async def test_database_that_contradicts_itself_takes_nothing_out(
    journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork or a forged answer is no word about the file: it stays, and waits."""

    async def contradicted(*_: object) -> Proof:
        raise SecurityError("the checksum database has signed two different histories")

    key = await stored(journey, MOD, OLD)
    monkeypatch.setattr(journey.verifier, "go_mod", contradicted)
    journey.verifier.failing = SecurityError("the checksum database has signed two different histories")
    with pytest.raises(Unproven, match="two different histories"):
        await content(journey, MOD)
    assert journey.storage.look(key) is not None
    assert journey.provenance.doubted == {key}
    journey.verifier.failing = None
    assert await content(journey, MOD) != OLD, "positive control: the file itself is wrong"


async def test_what_was_taken_unproven_is_proven_later(
    journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is silent it is served, without asking at every hit; then it is proven, or taken out."""
    key = await stored(journey, MOD, OLD)
    journey.verifier.silent = True
    assert await content(journey, MOD) == await content(journey, MOD) == OLD
    assert journey.verifier.asked == ["example.com/m@v1.0.0.mod"], "asked once"
    assert journey.provenance.doubted == {key}
    journey.verifier.silent = False
    journey.verifier.wrong.add(OLD)
    monkeypatch.setattr(journey.doubts, "_quiet_until", 0.0)
    assert await content(journey, MOD) == b"module example.com/m\n"


async def test_answers_that_last(journey: Journey) -> None:
    """They end at once when a file is taken out, or may not be what was published; none lasts while one is in doubt."""
    request = parse(INFO)
    assert isinstance(request, File)

    async def lasting() -> Lasting | None:
        answer = await journey.service.answer(request)
        assert isinstance(answer, FileAnswer)
        return answer.lasting

    await content(journey, INFO)
    first = await lasting()
    assert first is not None
    before_doubts = first.over
    await stored(journey, ZIP, b"zip")
    assert (before_doubts, first.over, await lasting()) == (False, True, None)
    await content(journey, ZIP)
    second = await lasting()
    assert second is not None
    before_removal = second.over
    await journey.doubts.remove(request.mv, FileKind.MOD, "because")
    assert (before_removal, second.over) == (False, True)
