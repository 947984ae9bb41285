"""What deflating costs, by library and level: the contents of real modules' zips, packed again.

The zips that are built here may be compressed in any way that a go command can unpack: only their contents are hashed.
"""

from __future__ import annotations

import random
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from isal import isal_zlib

from bench.figures import Measure, Target
from bench.setting import Setting
from goproxy_mirror.module.zipmember import LEVEL

NAME = "compression"
_BYTES = 48_000_000
"""Of contents that are packed in each repeat."""

Pack = Callable[[bytes], int]


def _isal(level: int) -> Pack:
    def pack(body: bytes) -> int:
        compress = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        return len(compress.compress(body)) + len(compress.flush())

    return pack


def _zlib(level: int) -> Pack:
    def pack(body: bytes) -> int:
        compress = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return len(compress.compress(body)) + len(compress.flush())

    return pack


PACKERS: dict[str, Pack] = {
    **{f"isal {level}": _isal(level) for level in (0, 1, 2, 3)},
    **{f"zlib {level}": _zlib(level) for level in (1, 6, 9)},
}
OURS = f"isal {LEVEL}"


def _contents(tree: Path) -> Iterator[bytes]:
    """Files of the project's modules, the same ones in each run."""
    archives = sorted(path for path in tree.rglob("*.zip") if "bench.test" not in path.parts)
    random.Random(1).shuffle(archives)
    left = _BYTES
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if left <= 0:
                    return
                left -= member.file_size
                yield opened.read(member)


def _compression(setting: Setting) -> None:
    if not setting.upstream.kept.modules:
        setting.figures.note("the large project could not be downloaded: nothing to compress")
        return
    contents = list(_contents(setting.upstream.kept.tree))
    whole = sum(map(len, contents))
    for _ in range(setting.repeats):
        for name, pack in PACKERS.items():
            began = time.process_time()
            packed = sum(map(pack, contents))
            took = time.process_time() - began
            setting.figures.add(NAME, name, "MB/s", speed=whole / took / 1e6)
            setting.figures.add(NAME, name, "", size_to_contents=packed / whole)


MEASURES = (
    Measure(
        NAME,
        f"deflating the files of real modules; {OURS} is what builds zips here",
        _compression,
        (
            Target(NAME, "speed", 2.0, "zlib 1", at_least=True, server=OURS),
            Target(NAME, "size to contents", 1.0, "zlib 1", server=OURS),
        ),
    ),
)
