"""Files kept in memory: `goproxy_mirror.vcs.smallblobs`."""

from __future__ import annotations

from goproxy_mirror.vcs.smallblobs import SmallBlobs


def test_keep__no_more_than_the_bound() -> None:
    """The oldest are let go; an absence is kept too; a large file never is."""
    blobs = SmallBlobs(4000)
    for number in range(10):
        blobs.keep(("r", "c", str(number)), b"x" * 1000)
    blobs.keep(("r", "c", "none"), None)
    blobs.keep(("r", "c", "large"), bytes(1 << 20))
    assert [key[2] for key in blobs._kept] == ["8", "9", "none"]
    assert ("r", "c", "none") in blobs
    assert blobs["r", "c", "none"] is None
    assert ("r", "c", "0") not in blobs
