"""Which trees of checksum databases our bundles have shown: whoever imported one of them has to be shown how it went on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from goproxy_mirror.errors import disk_failures
from goproxy_mirror.state.files import write_whole

_MOST = 100
"""Trees of one database that are remembered; each costs a bundle some tiles of 8 KiB."""


class ShownTrees:
    """Sizes of trees by database, in a file of the state folder. One that cannot be read has none. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "shown-trees.json"

    def read(self) -> Mapping[str, Sequence[int]]:
        try:
            said = json.loads(self._file.read_bytes())
            return {str(name): [int(size) for size in sizes] for name, sizes in said.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def add(self, sizes: Mapping[str, int]) -> None:
        """Trees that a bundle has shown. Raises `StorageError`."""
        shown = {name: list(known) for name, known in self.read().items()}
        for name, size in sizes.items():
            shown[name] = [*(each for each in shown.get(name, []) if each != size), size][-_MOST:]
        with disk_failures("remember what the bundle shows"):
            write_whole(self._file, json.dumps(shown).encode())
