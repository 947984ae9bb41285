"""The journey of a request."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, SourceTimeout, SourceUnavailable, StorageFull
from goproxy_mirror.mirror import texts
from goproxy_mirror.mirror.answers import FileAnswer, TextAnswer
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, Found, Home, Kept
from goproxy_mirror.protocol import File, Latest, List, parse
from goproxy_mirror.storage import publishing
from tests.fakes.sources import FakeSource
from tests.mirror.conftest import Journey

MOD = "/example.com/m/@v/v1.0.0.mod"
INFO = "/example.com/m/@v/v1.0.0.info"
ZIP = "/example.com/m/@v/v1.0.0.zip"


def file(path: str) -> File:
    request = parse(path)
    assert isinstance(request, File)
    return request


def text(path: str) -> List | Latest:
    request = parse(path)
    assert isinstance(request, List | Latest)
    return request


async def body(journey: Journey, path: str) -> bytes:
    answer = await journey.service.answer(file(path))
    assert isinstance(answer, FileAnswer)
    return answer.path.read_bytes()


async def texted(journey: Journey, path: str) -> TextAnswer:
    answer = await journey.service.answer(text(path))
    assert isinstance(answer, TextAnswer)
    return answer


async def settled(journey: Journey, holds: Callable[[], bool]) -> None:
    """Let the work behind the answers go on until something holds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_file_is_fetched_once(journey: Journey) -> None:
    """The first request fetches, every later one is served from the store, also when the source is gone."""
    assert await body(journey, MOD) == b"module example.com/m\n"
    journey.source.says = SourceUnavailable("down")
    assert await body(journey, MOD) == b"module example.com/m\n"
    assert journey.source.asked == ["example.com/m@v1.0.0.mod"]


async def test_each_file_by_itself(journey: Journey) -> None:
    """A `.mod` miss fetches neither `.info` nor zip."""
    await body(journey, MOD)
    assert journey.source.asked == ["example.com/m@v1.0.0.mod"]
    assert journey.storage.look(file(ZIP).key) is None


async def test_crowd_is_one_fetch(journey: Journey) -> None:
    """Many at once on a cold file: one fetch, the same bytes for all."""
    bodies = await asyncio.gather(*(body(journey, ZIP) for _ in range(200)))
    assert set(bodies) == {b"zip of example.com/m@v1.0.0"}
    assert len(journey.source.asked) == 1


async def test_leaver_cancels_nothing(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that began a fetch goes away; who waits for the same file gets it, from that one fetch."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    fetches = 0

    async def slow(self: FakeSource, mv: ModuleVersion, into: Path) -> Found[None]:
        nonlocal fetches
        fetches += 1
        begun.set()
        await go_on.wait()
        into.write_bytes(b"whole")
        return Found(None, Home("upstream", "u"))

    monkeypatch.setattr(FakeSource, "zip", slow)
    first = asyncio.create_task(body(journey, ZIP))
    await begun.wait()
    second = asyncio.create_task(body(journey, ZIP))
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    assert await second == b"whole"
    assert fetches == 1


async def test_absence_is_remembered(journey: Journey) -> None:
    """A no is asked for once within its time."""
    journey.source.says = NotFound("not found: v1.0.0")
    for _ in range(3):
        with pytest.raises(NotFound):
            await body(journey, MOD)
    assert len(journey.source.asked) == 1


async def test_remembered_absence_holds_on_to_nothing(journey: Journey) -> None:
    """Whose request was denied is let go, with all that the request had in memory; only the words are remembered."""

    class Large:
        """Something that a request holds."""

    async def ask() -> weakref.ref[Large]:
        large = Large()
        with pytest.raises(NotFound, match="no such version"):
            await body(journey, MOD)
        return weakref.ref(large)

    journey.source.says = NotFound("no such version")
    first, second = await ask(), await ask()
    journey.source.says = []
    await asyncio.sleep(0)  # the loop's own references
    gc.collect()
    assert (first(), second()) == (None, None)


async def test_large_zips_keep_nobody_waiting(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """While as many zips are fetched as may be, a `.mod` is fetched all the same."""
    go_on = asyncio.Event()

    async def slow(self: FakeSource, mv: ModuleVersion, into: Path) -> Found[None]:
        await go_on.wait()
        into.write_bytes(b"zip")
        return Found(None, self._home())

    monkeypatch.setattr(FakeSource, "zip", slow)
    zips = [asyncio.create_task(body(journey, f"/example.com/m{n}/@v/v1.0.0.zip")) for n in range(8)]
    async with asyncio.timeout(10):
        assert await body(journey, MOD)
    go_on.set()
    await asyncio.gather(*zips)


async def test_outage_is_not_remembered(journey: Journey) -> None:
    """An outage ends with the source's recovery."""
    journey.source.says = SourceUnavailable("down")
    with pytest.raises(SourceUnavailable):
        await body(journey, MOD)
    journey.source.says = ["v1.0.0"]
    assert await body(journey, MOD)


async def test_absence_never_hides_a_stored_file(journey: Journey) -> None:
    """Another process publishes what this one remembers as absent: it is served."""
    journey.source.says = NotFound("no")
    with pytest.raises(NotFound):
        await body(journey, MOD)
    async with journey.storage.stage() as staged:
        staged.write_bytes(b"module example.com/m\n")
        await journey.storage.create(file(MOD).key, staged)
    assert await body(journey, MOD) == b"module example.com/m\n"


async def test_failed_fetch_leaves_nothing(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a source wrote before it failed is published nowhere."""

    async def truncated(self: FakeSource, mv: ModuleVersion, into: Path) -> Found[None]:
        into.write_bytes(b"half")
        raise SourceUnavailable("cut off")

    monkeypatch.setattr(FakeSource, "zip", truncated)
    with pytest.raises(SourceUnavailable):
        await body(journey, ZIP)
    assert [key async for key in journey.storage.list("")] == []
    assert list((journey.folder / "store" / ".tmp").iterdir()) == []


async def test_full_disk_is_told_as_such(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for a `.mod`: that is what is said, and it is gone with the next request that finds room."""

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_write_all", full)
        with pytest.raises(StorageFull, match="No space left"):
            await body(journey, MOD)
    assert await body(journey, MOD)


async def test_stale_list_while_the_disk_is_full(journey: Journey) -> None:
    """A list that cannot be brought up to date for want of room is answered as it was."""
    await texted(journey, "/example.com/m/@v/list")
    await journey.age(text("/example.com/m/@v/list"), 3600)
    journey.source.says = StorageFull("no room")
    assert (await texted(journey, "/example.com/m/@v/list")).stale


async def test_slow_fetch_ends(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that takes too long is a time-out in words."""
    journey.fetching._timeout = 0.01

    async def hang(self: FakeSource, mv: ModuleVersion) -> Found[bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(FakeSource, "go_mod", hang)
    with pytest.raises(SourceTimeout, match=r"example.com/m@v1.0.0.mod: not fetched within"):
        await body(journey, MOD)


async def test_source_is_recorded(journey: Journey) -> None:
    """Each published file's home is written down before it is visible."""
    await body(journey, MOD)
    home, size, _ = journey.provenance.recorded[file(MOD).key]
    assert (home.name, size) == ("https://up.test", len(await body(journey, MOD)))


async def test_private_module_comes_from_its_origin(journey: Journey) -> None:
    """No public source hears of a private module."""
    await body(journey, "/corp.example/secret/@v/v1.0.0.mod")
    await texted(journey, "/corp.example/secret/@v/list")
    assert journey.source.asked == []
    assert len(journey.origin.asked) == 2


async def test_disabled_fetch_answers_from_the_store(journey: Journey) -> None:
    """`Disable-Module-Fetch`: what is held is answered, nothing is fetched."""
    with pytest.raises(NotFound, match="Disable-Module-Fetch"):
        await journey.service.answer(file(MOD), fetch=False)
    with pytest.raises(NotFound, match="Disable-Module-Fetch"):
        await journey.service.answer(text("/example.com/m/@v/list"), fetch=False)
    await body(journey, MOD)
    await body(journey, INFO)
    assert isinstance(await journey.service.answer(file(MOD), fetch=False), FileAnswer)
    answer = await journey.service.answer(text("/example.com/m/@v/list"), fetch=False)
    assert isinstance(answer, TextAnswer)
    assert answer.body == b"v1.0.0\n"
    assert len(journey.source.asked) == 2


async def test_list_is_fresh_for_its_time(journey: Journey) -> None:
    """Within the first half of its time a list is answered as it is."""
    journey.source.says = ["v1.1.0", "v1.0.0"]
    first = await texted(journey, "/example.com/m/@v/list")
    second = await texted(journey, "/example.com/m/@v/list")
    assert first.body == second.body == b"v1.0.0\nv1.1.0\n"
    assert not second.stale
    assert len(journey.source.asked) == 1


async def test_list_is_the_same_until_its_age_changes(journey: Journey) -> None:
    """The very same may be answered again until a client may keep it for one second less; nothing else may."""
    request = text("/example.com/m/@v/list")
    await texted(journey, "/example.com/m/@v/list")
    await journey.age(request, 10.25)
    answer = await texted(journey, "/example.com/m/@v/list")
    assert 0 <= answer.same_for < 1
    assert 20 < answer.max_age + answer.same_for <= 49.75
    await journey.age(request, 1e6)
    held = await journey.service.answer(request, fetch=False)
    assert isinstance(held, TextAnswer)
    journey.source.says = SourceUnavailable("down")
    stale = await texted(journey, "/example.com/m/@v/list")
    assert (stale.stale, held.same_for, stale.same_for) == (True, 0, 0)


async def test_aging_list_is_refreshed_behind(journey: Journey) -> None:
    """In the second half it is answered at once, and asked for behind the answer."""
    request = text("/example.com/m/@v/list")
    await texted(journey, "/example.com/m/@v/list")
    await journey.age(request, 40)
    journey.source.says = ["v1.0.0", "v1.1.0"]
    assert (await texted(journey, "/example.com/m/@v/list")).body == b"v1.0.0\n"
    await settled(journey, lambda: len(journey.source.asked) == 2)
    await settled(journey, lambda: not journey.flights._tasks)
    assert (await texted(journey, "/example.com/m/@v/list")).body == b"v1.0.0\nv1.1.0\n"


async def test_one_worker_refreshes_for_all(journey: Journey) -> None:
    """An aging list that another worker has just asked for again is not asked for once more."""
    request = text("/example.com/m/@v/list")
    await texted(journey, "/example.com/m/@v/list")
    await journey.age(request, 40)
    await journey.answers.put(request.key, Kept(b"v1.0.0\nv1.1.0\n", time.time(), None))
    assert (await texted(journey, "/example.com/m/@v/list")).body == b"v1.0.0\n"
    await settled(journey, lambda: not journey.flights._tasks)
    assert (await texted(journey, "/example.com/m/@v/list")).body == b"v1.0.0\nv1.1.0\n"
    assert len(journey.source.asked) == 1


async def test_old_list_is_asked_for_first(journey: Journey) -> None:
    """Past its time a list is not answered while its source is up."""
    request = text("/example.com/m/@v/list")
    await texted(journey, "/example.com/m/@v/list")
    await journey.age(request, 61)
    journey.source.says = ["v1.0.0", "v1.1.0"]
    answer = await texted(journey, "/example.com/m/@v/list")
    assert (answer.body, answer.stale) == (b"v1.0.0\nv1.1.0\n", False)


async def test_stale_list_while_sources_are_down(journey: Journey) -> None:
    """Past its time, with every source down, the last answer is given, and said to be stale."""
    request = text("/example.com/m/@v/list")
    await texted(journey, "/example.com/m/@v/list")
    await journey.age(request, 1e6)
    journey.source.says = SourceUnavailable("down")
    answer = await texted(journey, "/example.com/m/@v/list")
    assert (answer.body, answer.stale) == (b"v1.0.0\n", True)


async def test_little_patience_after_an_outage(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """While sources hang, the first stale list waits for them, and the next ones hardly."""
    for name in ("one", "two"):
        await texted(journey, f"/example.com/{name}/@v/list")
        await journey.age(text(f"/example.com/{name}/@v/list"), 3600)

    async def hang(self: FakeSource, path: ModulePath) -> Found[tuple[Version, ...]]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(FakeSource, "versions", hang)
    monkeypatch.setattr(texts, "_PATIENCE", 0.05)
    monkeypatch.setattr(texts, "_LITTLE_PATIENCE", 0.0)
    assert journey.texts._patience() == 0.05
    assert (await texted(journey, "/example.com/one/@v/list")).stale
    assert journey.texts._patience() == 0.0
    assert (await texted(journey, "/example.com/two/@v/list")).stale


async def test_held_latest_is_not_a_retracted_one(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any source, `@latest` is the newest version that is held and not taken back."""

    async def go_mod(self: FakeSource, mv: ModuleVersion) -> Found[bytes]:
        return Found(b"module example.com/m\n\nretract [v1.1.0, v1.2.0]\n", self._home())

    monkeypatch.setattr(FakeSource, "go_mod", go_mod)
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        for kind in ("info", "mod"):
            await body(journey, f"/example.com/m/@v/{version}.{kind}")
    journey.source.says = SourceUnavailable("down")
    assert json.loads((await texted(journey, "/example.com/m/@latest")).body)["Version"] == "v1.0.0"


async def test_list_of_what_is_held(journey: Journey) -> None:
    """A list that was never asked for, with every source down or denying the module, names what the store holds."""
    await body(journey, MOD)
    await body(journey, INFO)
    for failure in (SourceUnavailable("down"), NotFound("gone")):
        journey.source.says = failure
        answer = await texted(journey, "/example.com/m/@v/list")
        assert (answer.body, answer.stale) == (b"v1.0.0\n", True)
        latest = await texted(journey, "/example.com/m/@latest")
        assert json.loads(latest.body)["Version"] == "v1.0.0"


async def test_list_forgets_nothing_that_is_held(journey: Journey) -> None:
    """A source that lists less than it did takes no version away that is held here (U21)."""
    for name in (MOD, INFO):
        await body(journey, name)
    journey.source.says = ["v1.1.0"]
    assert (await texted(journey, "/example.com/m/@v/list")).body == b"v1.0.0\nv1.1.0\n"


async def test_no_list_without_anything(journey: Journey) -> None:
    """With nothing kept and nothing held, the failure is the answer."""
    journey.source.says = SourceUnavailable("down")
    with pytest.raises(SourceUnavailable):
        await texted(journey, "/example.com/m/@v/list")


async def test_derived_list_makes_a_file_proxy(journey: Journey) -> None:
    """The store's `@v/list` names the versions whose `.info` and `.mod` are there."""
    listed = journey.folder / "store" / "example.com" / "m" / "@v" / "list"
    await body(journey, MOD)
    await settled(journey, lambda: not journey.flights._tasks)
    assert not listed.exists()
    await body(journey, INFO)
    await body(journey, "/example.com/m/@v/v1.1.0-pre.info")
    await settled(journey, lambda: not journey.flights._tasks)
    assert listed.read_bytes() == b"v1.0.0\n"


async def test_derived_list_misses_nothing(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is published while the list is being written is in the list that is written next."""
    listed = journey.folder / "store" / "example.com" / "m" / "@v" / "list"
    write = journey.storage.replace

    async def publish_then_write(key: str, content: bytes) -> None:
        monkeypatch.undo()
        await body(journey, "/example.com/m/@v/v1.1.0.mod")
        await body(journey, "/example.com/m/@v/v1.1.0.info")
        await write(key, content)

    monkeypatch.setattr(journey.storage, "replace", publish_then_write)
    await body(journey, MOD)
    await body(journey, INFO)
    await settled(journey, lambda: not journey.flights._tasks)
    assert listed.read_text().split() == ["v1.0.0", "v1.1.0"]


async def test_work_behind_an_answer_ends_with_the_process(tmp_path: Path) -> None:
    """A server that ends at once after an answer has written the list all the same."""
    journey = Journey(tmp_path)
    async with journey.flights:
        await body(journey, MOD)
        await body(journey, INFO)
    assert (tmp_path / "store/example.com/m/@v/list").read_bytes() == b"v1.0.0\n"


async def test_kind_of_file(journey: Journey) -> None:
    """The answer says which of the three files it is, and where this process got it."""
    answer = await journey.service.answer(file(INFO))
    assert isinstance(answer, FileAnswer)
    assert (answer.kind, answer.home) == (FileKind.INFO, "https://up.test")
