"""golang.org/x/mod's own archives, `zip/testdata`: which files a module has, its zips, and whose zip is one.

The archives in `gomod/` are copyright The Go Authors, under the licence in `gomod/LICENSE` (BSD-3-Clause). Each says what
is wanted in words, which are held against ours but for the way in which a name is quoted. Those of folders stand for
trees: what lies in a folder of another version control system cannot be in a tree of git, and is left out.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from goproxy_mirror.errors import InvalidPath, InvalidVersion, MirrorError
from goproxy_mirror.module.dirhash import hash_zip
from goproxy_mirror.module.modfile import parse_lax
from goproxy_mirror.module.modzip import Checked, ZipWriter, check_files, zip_prefix
from goproxy_mirror.module.path import ModulePath, check_path_major
from goproxy_mirror.module.version import ModuleVersion, Version, canonical_version
from goproxy_mirror.module.zipcheck import check_members
from goproxy_mirror.module.zipreader import ZipReader

ARCHIVES = Path(__file__).parent / "gomod" / "zip"
_MARKER = re.compile(rb"^-- (.+) --\n", re.MULTILINE)
_OTHERS = (".git/", ".bzr/", ".hg/", ".svn/")


OUR_WORDS = {
    "path does not have prefix": "does not begin with",
    "invalid version: should be v0 or v1, not v2": "invalid: should be v0 or v1, not v2",
    "malformed module path": "malformed module path",
    "multiple entries": "two entries of one name",
}


@dataclass(frozen=True)
class Entry:
    path: bytes
    content: bytes
    mode: int = 0o100644

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class Archive:
    """A text archive: its settings, and its files in order."""

    settings: dict[str, str]
    files: list[tuple[str, bytes]]

    @classmethod
    def read(cls, path: Path) -> Archive:
        parts = _MARKER.split(path.read_bytes())
        lines = parts[0].decode("utf-8", "surrogateescape").splitlines()
        settings = dict(line.partition("#")[0].strip().split("=", 1) for line in lines if "=" in line)
        names = (name.decode() for name in parts[1::2])
        return cls(settings, list(zip(names, parts[2::2], strict=True)))

    @property
    def entries(self) -> list[Entry]:
        files = ((name, content) for name, content in self.files if not name.startswith(_OTHERS))
        return [Entry(name.encode(), content) for name, content in files if name != "want"]

    def check(self) -> Checked[Entry]:
        go_mod = next((entry for entry in self.entries if entry.path == b"go.mod"), None)
        return check_files(self.entries, parse_lax(go_mod.content) if go_mod else None)

    @property
    def version(self) -> ModuleVersion:
        """Raises InvalidPath, InvalidVersion, as for a request."""
        path = ModulePath.parse(self.settings["path"])
        version = self.settings["version"]
        if canonical_version(version) != version:
            raise InvalidVersion(
                f'version "{version}" is not canonical (should be "{canonical_version(version)}")'
            )
        check_path_major(version, path.split_major()[1])
        return ModuleVersion(path, Version(version))


def archives(*folders: str) -> list[object]:
    """The archives of some folders, as parameters."""
    found = [path for folder in folders for path in sorted((ARCHIVES / folder).glob("*.txt"))]
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in found]


def words(text: str) -> str:
    """A reason without its quotes, which Python and Go set differently, and without the name that ours does not repeat."""
    return re.sub(r"[\"'\\]|malformed file path .*?: ", "", text)


def told(checked: Checked[Entry]) -> dict[str, list[str]]:
    """The three lists, a line per file, as the archives have them."""
    return {
        "valid": [entry.path.decode() for entry in checked.valid],
        "omitted": [f"{entry.path.decode()}: {reason}" for entry, reason in checked.omitted],
        "invalid": [words(f"{entry.path.decode()}: {reason}") for entry, reason in checked.invalid],
    }


def wanted(archive: Archive) -> dict[str, list[str]]:
    text = dict(archive.files)["want"].decode()
    lists: dict[str, list[str]] = {}
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        lists[head.rstrip(":")] = lines
    lists["invalid"] = [words(line) for line in lists["invalid"]]
    return lists


def test_all_archives_are_here() -> None:
    """None is left out."""
    assert len([*ARCHIVES.rglob("*.txt")]) == 54


@pytest.mark.parametrize("path", archives("check_files"))
def test_check_files(path: Path) -> None:
    """Files that belong into the zip, that are left out, and that forbid one, each with the reason."""
    archive = Archive.read(path)
    assert told(archive.check()) == wanted(archive)


@pytest.mark.parametrize("path", archives("check_dir"))
def test_check_dir(path: Path) -> None:
    """The same for folders, of which a whole one is named where all of its files are left out."""
    archive = Archive.read(path)
    want = wanted(archive)
    lists = {kind: [line.removeprefix("$work/") for line in lines] for kind, lines in want.items()}
    omitted = {line for line in lists["omitted"] if "version control" not in line}
    have = told(archive.check())
    assert sorted(have["valid"]) == sorted(lists["valid"])
    assert sorted(have["invalid"]) == sorted(lists["invalid"])
    whole = {line.replace("sub/go.mod: file is", "sub: directory is") for line in have["omitted"]}
    assert whole == omitted


@pytest.mark.parametrize("path", archives("create", "create_from_dir"))
def test_create(path: Path, tmp_path: Path) -> None:
    """The zip has the hash that it has to have, or there is none, for that reason."""
    archive = Archive.read(path)
    if "wantErr" in archive.settings:
        assert said(refusal(archive), archive.settings["wantErr"])
        return
    made = tmp_path / "made.zip"
    checked = archive.check()
    assert checked.problem is None
    with ZipWriter(made, zip_prefix(archive.version)) as writer:
        for entry in checked.valid:
            writer.add(entry.path.decode(), [entry.content])
    assert writer.hash == hash_zip(made) == archive.settings["hash"]


def said(message: str, want: str) -> bool:
    """Whether a message gives the reason that is wanted; some have words of our own."""
    for theirs, ours in OUR_WORDS.items():
        if theirs in want:
            return ours in message or words(want) in words(message)
    return words(want.rpartition("@v1.0.0/")[2] or want) in words(message)


def refusal(archive: Archive) -> str:
    """Why no zip can be made."""
    try:
        assert archive.version
    except (InvalidPath, InvalidVersion) as error:
        return error.message
    return archive.check().problem or ""


@pytest.mark.parametrize("path", archives("unzip", "check_zip"))
def test_other_peoples_zips(path: Path, tmp_path: Path) -> None:
    """A zip that the go command would unpack is taken, with its hash; another one is refused, for that reason."""
    archive = Archive.read(path)
    made = tmp_path / "made.zip"
    with zipfile.ZipFile(made, "w") as writing, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for entry in archive.entries:
            writing.writestr(entry.path.decode(), entry.content)
    reason = archive.settings.get("wantErr", "")
    if path.parent.name == "check_zip":
        reason = "".join(wanted(archive)["invalid"][-1:])
    if not reason:
        with ZipReader(made) as reader:
            check_members(archive.version, reader.members)
        assert hash_zip(made) == archive.settings.get("hash", hash_zip(made))
        return
    with pytest.raises(MirrorError) as caught, ZipReader(made) as reader:
        check_members(archive.version, reader.members)
    assert said(caught.value.message, reason), caught.value.message
