"""Go distributions of a few files, as they are downloaded, and the modules that belong to them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping

from goproxy_mirror.module.dirhash import hash1

RELEASE = "go1.99.1"
TIME = "2026-01-02T03:04:05Z"

FILES: Mapping[str, bytes] = {
    "LICENSE": b"a licence\n",
    "VERSION": f"{RELEASE}\ntime {TIME}\n".encode(),
    "api/go1.txt": b"left out",
    "bin/go": b'#!/bin/sh\necho "this is go1.99.1, asked for: $*"\n',
    "bin/gofmt": b"#!/bin/sh\n",
    "doc/go_spec.html": b"left out",
    "go.env": b"GOTOOLCHAIN=auto\n",
    "lib/time/update.bash": b"",
    "misc/wasm/go.mod": b"left out",
    "pkg/tool/linux_amd64/compile": b"#!/bin/sh\n",
    "src/cmd/go.mod": b"module cmd\n",
    "src/cmd/vendor/golang.org/x/mod/LICENSE": b"vendored\n",
    "src/go.mod": b"module std\n",
    "src/" + "long/" * 30 + "name.go": b"package name\n",
    "test/fixedbugs/bug1.go": b"left out",
}
"""What a distribution has, in its order; long names, vendored files and nested modules among it."""

IN_MODULE = {
    "LICENSE": "LICENSE",
    "VERSION": "VERSION",
    "bin/go": "bin/go",
    "bin/gofmt": "bin/gofmt",
    "go.env": "go.env",
    "lib/time/update.bash": "lib/time/update.bash",
    "pkg/tool/linux_amd64/compile": "pkg/tool/linux_amd64/compile",
    "src/cmd/_go.mod": "src/cmd/go.mod",
    "src/cmd/vendor/golang.org/x/mod/LICENSE": "src/cmd/vendor/golang.org/x/mod/LICENSE",
    "src/_go.mod": "src/go.mod",
    "src/" + "long/" * 30 + "name.go": "src/" + "long/" * 30 + "name.go",
}
"""What of `FILES` is in the module, by its name there: written down here, not computed by any rule."""


def version_of(platform: str = "linux-amd64", release: str = RELEASE) -> str:
    """The module version of a toolchain."""
    return f"v0.0.1-{release}.{platform}"


def module_hash(version: str, files: Mapping[str, bytes] = FILES) -> str:
    """The `h1:` of the module that belongs to a distribution with these contents."""
    prefix = f"golang.org/toolchain@{version}/"
    return hash1(
        (prefix + name, hashlib.sha256(files[source]).digest()) for name, source in IN_MODULE.items()
    )


def module_zip(version: str, files: Mapping[str, bytes] = FILES) -> bytes:
    """The module's zip, made by the standard library."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, source in IN_MODULE.items():
            packed.writestr(f"golang.org/toolchain@{version}/{name}", files[source])
    return out.getvalue()


def tar_gz(files: Mapping[str, bytes] = FILES, *, extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """A distribution for every system but windows, with its folders; `extra` entries come last."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as packed:
        made: set[str] = set()
        for name, data in files.items():
            elements = f"go/{name}".split("/")[:-1]
            for depth in range(1, len(elements) + 1):
                folder = "/".join(elements[:depth])
                if folder not in made:
                    made.add(folder)
                    packed.addfile(entry(folder, kind=tarfile.DIRTYPE))
            packed.addfile(entry(f"go/{name}", size=len(data)), io.BytesIO(data))
        for each in extra:
            packed.addfile(each, io.BytesIO(bytes(each.size)))
    return gzip.compress(out.getvalue(), 6, mtime=0)


def entry(name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """One entry of a tar."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname, made.mode = kind, size, link, 0o755
    return made


def windows_zip(files: Mapping[str, bytes] = FILES) -> bytes:
    """A distribution for windows, its sizes behind the data as Go writes them."""
    out = _Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(f"go/{name}", data)
    return out.written


class _Unseekable(io.RawIOBase):
    """A file that cannot go back, so that zipfile has to put sizes behind the data."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.written += piece
        return len(piece)
