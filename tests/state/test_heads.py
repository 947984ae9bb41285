"""Tree heads of several nodes, while their database is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.errors import StorageError
from goproxy_mirror.state.heads import CopiedTreeHeads
from goproxy_mirror.state.opening import State
from goproxy_mirror.state.records import SQLTreeHeads

DOWN = "postgresql://modules@127.0.0.1:1/none"
SUMS = "sum.test"


async def test_last_head_is_known_without_the_database(tmp_path: Path) -> None:
    """The head that was seen last is known while the database is down, after a restart too, and none is put in its place."""
    async with State(tmp_path / "state") as up, State(tmp_path / "state", DOWN) as down:
        shared = CopiedTreeHeads(SQLTreeHeads(up._database, up.changes), tmp_path / "heads")
        again = CopiedTreeHeads(SQLTreeHeads(down._database, down.changes), tmp_path / "heads")
        with pytest.raises(StorageError):
            await again.head(SUMS)
        with pytest.raises(StorageError):
            await again.fork(SUMS)
        assert await shared.advance(SUMS, b"", b"one\xff")
        assert await shared.advance(SUMS, b"one\xff", b"two\xff")
        assert await again.head(SUMS) == b"two\xff"
        assert await again.fork(SUMS) is None
        with pytest.raises(StorageError):
            await again.advance(SUMS, b"two\xff", b"three")
        assert await again.head(SUMS) == b"two\xff"


async def test_fork_is_known_at_once(tmp_path: Path) -> None:
    """Evidence that cannot be written yet counts all the same, and is written when it can be."""
    async with State(tmp_path / "state") as up, State(tmp_path / "state", DOWN) as down:
        heads = CopiedTreeHeads(SQLTreeHeads(down._database, down.changes), tmp_path / "heads")
        with pytest.raises(StorageError):
            await heads.forked(SUMS, b"evidence")
        assert await heads.fork(SUMS) == b"evidence"
        heads._shared = SQLTreeHeads(up._database, up.changes)
        await heads.catch_up()
        assert await up.heads.fork(SUMS) == b"evidence"
        assert await heads.forget_fork(SUMS, and_tree=False)
        assert await heads.fork(SUMS) is None
