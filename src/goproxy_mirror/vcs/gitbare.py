"""The bare repositories on disk: made, healed, thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from goproxy_mirror.errors import StorageError

# As the go command sets them for its archives: nothing is left out or substituted.
_ATTRIBUTES = "\n* -export-subst -export-ignore\n"

WHOLE = "refs/whole"
"""Where commits are named that have been fetched with all their files, but those too large for any module."""

_DOOMED = "removing-"
_NEW = "making-"


async def make(repository: Path, *, form: str, sha256: bool) -> None:
    """Make a bare repository; what is made is complete before it stands in its place.

    `form` is a word that `form_of` gives back. Raises `StorageError`.
    """
    try:
        made = Path(tempfile.mkdtemp(prefix=_NEW, dir=repository.parent))
    except OSError as error:
        raise StorageError("a repository could not be made in the state folder") from error
    try:
        await asyncio.to_thread(_finish, made, repository, form, sha256=sha256)
    except OSError as error:
        raise StorageError("a repository could not be made in the state folder") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def is_made(repository: Path) -> bool:
    """Whether the repository is there."""
    return (repository / "HEAD").exists()


def form_of(repository: Path) -> str | None:
    """The word that the repository was made with; None where it is not there."""
    try:
        return (repository / "form").read_text()
    except OSError:
        return None


def heal(folder: Path, repositories: Iterable[Path]) -> None:
    """Clear away what a killed fetch has left: lock files, half-written packs, half-made repositories."""
    for repository in repositories:
        packs = repository / "objects" / "pack"
        stale = [*repository.glob("*.lock"), *repository.glob("shallow_*"), *packs.glob("tmp_*")]
        stale += [*packs.glob("*.keep"), *(repository / "refs").rglob("*.lock")]
        for path in stale:
            with contextlib.suppress(OSError):
                path.unlink()
    for path in (*folder.glob(f"{_NEW}*"), *folder.glob(f"{_DOOMED}*")):
        shutil.rmtree(path, ignore_errors=True)


def remove(path: Path) -> None:
    """Take a folder out of sight at once, then delete it. Who still reads from it may fail."""
    doomed = Path(tempfile.mkdtemp(prefix=_DOOMED, dir=path.parent))
    with contextlib.suppress(OSError):
        path.replace(doomed / "it")
    shutil.rmtree(doomed, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes that a folder takes, as far as it can be read."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118 - a million files
    return total


def marks(repository: Path) -> list[Path]:
    """The files of `refs/at/…`, which name what has been fetched."""
    try:
        return [*(repository / "refs" / "at").iterdir()]
    except OSError:
        return []


def is_marked(repository: Path, oid: str) -> bool:
    """Whether the mark of a commit names that very commit (that of an annotated tag names the tag)."""
    try:
        return (repository / "refs" / "at" / oid).read_text().strip() == oid
    except (OSError, ValueError):
        return False


def is_whole(repository: Path, oid: str) -> bool:
    """Whether a commit has been fetched with all its files."""
    return (repository / WHOLE / oid).exists()


def packed_at(repository: Path) -> int:
    """The moment (in nanoseconds) when a pack last came or went."""
    try:
        return (repository / "objects" / "pack").stat().st_mtime_ns
    except OSError:
        return 0


def trim_marks(repository: Path, keep: int) -> None:
    """Forget all but the newest marks (`refs/at/…`) once there are twice as many.

    A mark tells the server what is here already, and each is told at each fetch. Objects stay, since nothing is
    ever collected as garbage.
    """
    found = marks(repository)
    if len(found) > 2 * keep:
        with contextlib.suppress(OSError):
            found.sort(key=lambda mark: mark.stat().st_mtime)
            for mark in found[:-keep]:
                mark.unlink()


def _finish(made: Path, repository: Path, form: str, *, sha256: bool) -> None:
    # What `git init --bare` makes without templates, a process less.
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (made / folder).mkdir(parents=True)
    version, extension = (1, "[extensions]\n\tobjectFormat = sha256\n") if sha256 else (0, "")
    (made / "config").write_text(f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{extension}")
    (made / "form").write_text(form)
    (made / "info" / "attributes").write_text(_ATTRIBUTES)
    (made / "HEAD").write_text("ref: refs/heads/main\n")
    made.replace(repository)
