"""What every database must say of the store as a whole, and let be made anew."""

from __future__ import annotations

from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind, FoundFile, Home, KeptVersion, Proof
from goproxy_mirror.protocol import file_key
from goproxy_mirror.state.opening import State

ORIGIN = Home("origin", "https://x.test/m")
NOW = 1_700_000_000.0


def mv(name: str) -> ModuleVersion:
    path, _, version = name.partition("@")
    return ModuleVersion(ModulePath(path), Version(version))


async def found(state: State, *files: tuple[str, int, float]) -> None:
    await state.keeping.found([FoundFile(key, size, seen, None) for key, size, seen in files])


async def test_versions_by_their_last_use(state: State) -> None:
    """Each version has the sizes, times and uses of its files; those unused the longest come first, also when they are equal
    in nothing but the beginning of their names."""
    for name, seen in (("m@v1.0.0-a", 3.0), ("m@v1.0.0-a.n", 2.0), ("M@v1.0.0", 1.0)):
        stem = file_key(mv(f"x.test/{name}"), FileKind.MOD).removesuffix(".mod")
        await found(state, (f"{stem}.info", 1, 86400 * seen + 5), (f"{stem}.mod", 20, 86400 * seen))
    await found(state, ("x.test/m/@v/v1.0.0-a.zip", 300, 86400 * 9.0))
    await state.provenance.record(
        "x.test/!m/@v/v1.0.0.zip", ORIGIN, size=5_000_000_000, proof=Proof("h1:x=", "pin")
    )
    await state.uses.add({"x.test/!m/@v/v1.0.0.mod": 1}, 7)
    await state.uses.add({"x.test/m/@v/v1.0.0-a.mod": 1, "x.test/m/@v/v1.0.0-a.zip": 1}, 5)
    every = [
        KeptVersion("x.test/m/@v/v1.0.0-a.n", 21, None, 86400 * 2.0, None, None, pinned=False),
        KeptVersion("x.test/m/@v/v1.0.0-a", 321, 300, 86400 * 3.0, 5, 5, pinned=False),
        KeptVersion("x.test/!m/@v/v1.0.0", 5_000_000_021, 5_000_000_000, 86400 * 1.0, 7, None, pinned=True),
    ]
    assert await state.keeping.each_version(list, zips=False) == every
    assert await state.keeping.each_version(list, zips=True) == [every[2], *every[:2]]
    sizes = await state.keeping.sizes()
    assert (sizes.versions, sizes.size, sizes.tracked) == (3, 5_000_000_363, 7)
    assert await state.keeping.used([each.stem for each in every]) == {
        "x.test/m/@v/v1.0.0-a": (5, 5),
        "x.test/!m/@v/v1.0.0": (7, None),
    }


async def test_uses_of_which_nobody_heard(state: State) -> None:
    """From such a day on, what was known of uses before counts no more: who came first goes first, unless used later."""
    for number in range(3):
        await found(state, (f"x.test/m/@v/v1.{number}.0.mod", 1, 86400.0 * (3 - number)))
    await state.uses.add({}, 4, complete=False)
    assert (await state.keeping.sizes()).tracked is None, "nothing was written down that could be incomplete"
    await state.uses.add({"x.test/m/@v/v1.2.0.mod": 1}, 5)
    await state.uses.add({"x.test/m/@v/v1.1.0.mod": 1}, 9, complete=False)
    await state.uses.add({}, 8, complete=False)
    assert (await state.keeping.sizes()).tracked == 9
    await state.uses.add({"x.test/m/@v/v1.2.0.mod": 1}, 10)
    assert (await state.keeping.sizes()).tracked == 9
    versions = await state.keeping.each_version(list, zips=False)
    assert [each.stem[-6:] for each in versions] == ["v1.0.0", "v1.1.0", "v1.2.0"]


async def test_pins_of_versions(state: State) -> None:
    """A version is pinned by any of its files, by its plain name."""
    await state.pins.pin(mv("x.test/M@v1.0.0"), FileKind.ZIP, "h1:x=", ORIGIN)
    stems = ["x.test/!m/@v/v1.0.0", "x.test/!m/@v/v1.1.0", "x.test/m/@v/v1.0.0"]
    assert await state.keeping.pinned(stems) == {stems[0]}
    assert await state.keeping.pinned([]) == frozenset()


async def test_found_file_that_has_a_pin(state: State) -> None:
    """A file whose record was lost and whose pin was not is proven by that, and so is never chosen."""
    await state.pins.pin(mv("x.test/m@v1.0.0"), FileKind.MOD, "h1:x=", ORIGIN)
    await found(state, ("x.test/m/@v/v1.0.0.mod", 1, NOW), ("x.test/m/@v/v1.1.0.mod", 1, NOW))
    versions = await state.keeping.each_version(list, zips=False)
    assert [(each.stem, each.pinned) for each in versions] == [
        ("x.test/m/@v/v1.0.0", True),
        ("x.test/m/@v/v1.1.0", False),
    ]


async def test_found_files_and_the_feed(state: State) -> None:
    """What is found is known, then fed once, early or at the end; what is dropped is neither, and its entry is gone."""
    for number in range(3):
        stem = f"x.test/m/@v/v1.{number}.0"
        await found(state, (f"{stem}.info", 1, NOW + number), (f"{stem}.mod", 2, NOW - number))
    await found(state, ("x.test/m/@v/v1.3.0.mod", 1, NOW))
    known = await state.keeping.known(["x.test/m/@v/v1.0.0.mod", "x.test/m/@v/v9.0.0.mod"])
    assert [(key, record.size, record.first_seen) for key, record in known.items()] == [
        ("x.test/m/@v/v1.0.0.mod", 2, NOW)
    ]
    await state.provenance.held(mv("x.test/m@v1.1.0"))
    unfed = await state.keeping.unfed(list)
    assert unfed == [("x.test/m/@v/v1.0.0", NOW), ("x.test/m/@v/v1.2.0", NOW + 2)]
    oldest = await state.keeping.oldest_fed()
    assert oldest is not None
    last = await state.keeping.feed(unfed, before=round((NOW + 1) * 1_000_000), after=0)
    assert last == NOW * 1_000_000
    page = await state.feed.page(0, 10, gone=False)
    assert [each.version for each in page] == ["v1.0.0", "v1.1.0", "v1.2.0"]
    assert (page[0].at, page[1].at, page[2].at > oldest) == (last, oldest, True)
    assert await state.keeping.unfed(list) == []
    assert [key for key, _ in await state.keeping.keys("x.test/m/@v/v1.2", 10)] == [
        f"x.test/m/@v/v1.{name}" for name in ("2.0.info", "2.0.mod", "3.0.mod")
    ]
    await state.keeping.drop([f"x.test/m/@v/v1.1.0{ending}" for ending in (".zip", ".mod", ".info")])
    assert [each.version for each in await state.feed.page(0, 10, gone=False)] == ["v1.0.0", "v1.2.0"]
    assert len(await state.feed.page(0, 10, gone=True)) == 3


async def test_feeds_are_restored(state: State) -> None:
    """Restored times are those of what is held; later ones win, taken ones and known versions stay; the rest is gone."""
    stems = [f"x.test/m/@v/v1.{number}.0" for number in range(6)]
    for stem in stems[:2]:
        await found(state, (f"{stem}.info", 1, NOW), (f"{stem}.mod", 1, NOW))
    await state.provenance.held(mv("x.test/m@v1.5.0"))
    oldest = await state.keeping.oldest_fed()
    assert oldest is not None
    await state.keeping.restore(
        [(stems[0], 10), (stems[1], 11), (stems[2], 12), (stems[3], 13)], before=oldest
    )
    await state.keeping.restore(
        [(stems[4], 11), (stems[0], 20), (stems[5], 21), (stems[4], oldest)], before=oldest
    )
    assert await state.keeping.oldest_fed() == oldest
    assert [each.version for each in await state.feed.page(0, 9, gone=False)] == ["v1.5.0"]
    await state.keeping.take_out([(stems[0], 15), (stems[2], 15)])
    settled = await state.keeping.settle(0)
    assert settled is not None
    assert (settled.last, settled.held, settled.missing) == (20, 2, 1)
    assert await state.keeping.settle(settled.last) is None
    assert await state.keeping.settle(0) is None
    held = [(each.version, each.at) for each in await state.feed.page(0, 9, gone=False)]
    assert held == [("v1.1.0", 11), ("v1.0.0", 20), ("v1.5.0", oldest)]
    every = [(each.version, each.at) for each in await state.feed.page(0, 9, gone=True)]
    assert every == [held[0], ("v1.2.0", 12), ("v1.3.0", 13), *held[1:]]
