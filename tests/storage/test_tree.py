"""Buckets that other programs filled, read version by version."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, SourceUnavailable
from goproxy_mirror.ports.moving import Lot, Outcome
from goproxy_mirror.sources.trees import lots_of
from goproxy_mirror.storage.remote import Remote
from goproxy_mirror.storage.tree import BucketTree

CAPITAL = "github.com/BurntSushi/toml"
OBJECTS = {
    # Athens in S3, names as they are spoken; and in MinIO, a folder for each version.
    f"{CAPITAL}/@v/v0.3.1.info": b"i",
    f"{CAPITAL}/@v/v0.3.1.mod": b"m",
    f"{CAPITAL}/@v/v0.3.1.zip": b"z",
    "golang.org/x/mod/v0.20.0/go.mod": b"m",
    "golang.org/x/mod/v0.20.0/source.zip": b"z",
    "golang.org/x/mod/v0.20.0/v0.20.0.info": b"i",
    "golang.org/x/mod/v0.20.0/README": b"other",
    "github.com/a/b/@v/v1.0.0.mod": b"",
    "github.com/a/b/@v/latest.info": b"x",
    "Not A Module/@v/v1.0.0.mod": b"x",
    "stray": b"x",
}


async def tree() -> BucketTree:
    """A bucket in memory with these objects."""
    remote = Remote("memory://", {})
    for key, body in OBJECTS.items():
        await remote.put(key, body)
    return BucketTree(remote, "memory://")


@pytest.mark.parametrize(
    ("layout", "modules"),
    [
        (None, {CAPITAL: 3, "golang.org/x/mod": 3, "github.com/a/b": 1}),
        ("athens", {"golang.org/x/mod": 3}),
        ("goproxy", {CAPITAL: 3, "github.com/a/b": 1}),
    ],
)
async def test_lots(layout: str | None, modules: dict[str, int], tmp_path: Path) -> None:
    """Each folder shows its layout, unless one is said; their files are read whole, and what is no file's is told."""
    bucket = await tree()
    found = [lot async for lot in lots_of(bucket, layout)]  # type: ignore[arg-type]
    lots = {str(lot.mv.path): lot for lot in found if isinstance(lot, Lot)}
    assert {path: len(lot.files) for path, lot in lots.items()} == modules
    strays = {lot.name for lot in found if isinstance(lot, Outcome)}
    assert strays == (set() if layout == "athens" else {"Not A Module/@v"})
    for path, lot in lots.items():
        for kind, file in lot.files.items():
            if path == "github.com/a/b":
                with pytest.raises(SourceUnavailable):
                    await file.read(10)
                continue
            await file.copy(tmp_path / "copy", 10)
            assert (tmp_path / "copy").read_bytes() == await file.read(10) == kind.value[1:2].encode()
            with pytest.raises(SourceUnavailable):
                await file.read(0)


async def test_object_that_is_gone() -> None:
    """A file that somebody removed meanwhile is absent, and no failure."""
    with pytest.raises(NotFound):
        await (await tree()).file("gone.mod").read(10)
