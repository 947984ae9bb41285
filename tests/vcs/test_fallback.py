"""What is asked of the go command for other systems than git, and what its answers mean.

A program that stands in for the go command says here what the real one was seen to say; with the real one, and with
Mercurial, `tests/conformance/test_mercurial.py` asks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from goproxy_mirror.errors import NeedsTool, NoRepository, NotFound, SourceUnavailable, Unreachable
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Query, Version
from goproxy_mirror.ports import Info, RepoRoot
from goproxy_mirror.process import Runner
from goproxy_mirror.transport import AddressPolicy, Hosts, Proxies, Transport
from goproxy_mirror.vcs.fallback import FallbackRepositories, FallbackRepository
from tests.vcs.pagekit import nobody
from tests.world.connect_proxy import ConnectProxy

PATH = ModulePath.parse("x.test/m")
ROOT = RepoRoot("x.test/m", "hg", "https://x.test/hg/m")
VERSION = ModuleVersion(PATH, Version.parse("v1.0.0"))
COMMIT = "17b7dd211c16e9fd3b4c7a1d40a0cfea20899e61"
INFO = {"Version": "v1.0.0", "Time": "2017-07-14T02:40:00Z", "Origin": {"VCS": "hg", "Hash": COMMIT}}
LATEST = "list -m -e -json x.test/m@latest"
LIST = "list -m -e -json -versions -retracted x.test/m"
DOWNLOAD = "mod download -json x.test/m@v1.0.0"
SECRET = "hunter2"


class Stub:
    """A go command that prints what it is told to, and writes down what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self._answers = folder / "answers"
        self._cache = folder / "cache"
        self._log = folder / "asked"
        for each in (self.bin, self._answers, self._cache):
            each.mkdir(parents=True)
        self._log.touch()
        self.program("hg", "")
        self.program(
            "go",
            f'printf "%s\\n" "$*" >> {self._log}\n/usr/bin/env > {folder}/env\n'
            f'/bin/mkdir -p "$GOMODCACHE" && /bin/cp -R {self._cache}/. "$GOMODCACHE"\n'
            f'/bin/cat "{self._answers}/$(printf "%s" "$*" | /usr/bin/tr " /" "__")"\n',
        )

    def program(self, name: str, body: str) -> None:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{body}")
        file.chmod(0o755)

    def says(self, arguments: str, value: dict[str, Any] | str) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        (self._answers / arguments.replace(" ", "_").replace("/", "_")).write_text(text)

    def has(self, info: dict[str, Any] = INFO, **files: bytes) -> dict[str, Any]:
        """Put a version into its module cache; what `go mod download` says about that."""
        folder = self._cache / "cache/download/x.test/m/@v"
        folder.mkdir(parents=True, exist_ok=True)
        made = {"Info": folder / f"{info['Version']}.info"}
        made["Info"].write_text(json.dumps(info, separators=(",", ":")))
        for kind, data in files.items():
            made[kind] = folder / f"{info['Version']}.{kind}"
            made[kind].write_bytes(data)
        return {"Version": info["Version"], **{kind: str(file) for kind, file in made.items()}}

    @property
    def asked(self) -> list[str]:
        return self._log.read_text().splitlines()

    @property
    def environment(self) -> dict[str, str]:
        lines = (self.bin.parent / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The stand-in, which is all that is on the PATH."""
    stub = Stub(tmp_path / "stub")
    monkeypatch.setenv("PATH", str(stub.bin))
    monkeypatch.setenv("HGRCPATH", "/somebody's")
    monkeypatch.setenv("TOKEN", SECRET)
    return stub


@pytest.fixture
async def opener(
    stub: Stub, proxy: ConnectProxy, authority: trustme.CA, tmp_path: Path
) -> AsyncIterator[Callable[..., FallbackRepositories]]:
    """Make fallbacks in an Internet that has x.test."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    transport = Transport(
        policy=AddressPolicy(),
        user_agent="test",
        proxies=Proxies(https=proxy.url),
        ca_files=[tmp_path / "ca.pem"],
        resolver=nobody,
        hosts=Hosts(rest=0),
        connect_timeout=1.0,
    )
    made: list[FallbackRepositories] = []

    def make(keep: float = 60.0) -> FallbackRepositories:
        runner = Runner(tmp_path / "programs")
        made.append(FallbackRepositories(tmp_path / "go", runner, transport, keep=keep, timeout=30))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()
    await transport.aclose()


@pytest.fixture
def repository(opener: Callable[..., FallbackRepositories]) -> FallbackRepository:
    """The repository."""
    return opener().open(ROOT)


@pytest.mark.parametrize("missing", ["go", "hg"])
async def test_missing_programs_are_named(stub: Stub, repository: FallbackRepository, missing: str) -> None:
    """Without the go command, or without the system, nothing is asked: the server needs both."""
    (stub.bin / missing).unlink()
    with pytest.raises(NeedsTool, match=r"x\.test/m: .* in Mercurial; that needs hg and go on the server"):
        await repository.latest(PATH)


async def test_versions_are_the_tags(stub: Stub, repository: FallbackRepository) -> None:
    """Retracted ones too; what is no version of the path is left out."""
    stub.says(LIST, {"Versions": ["v1.0.0", "v2.0.0+incompatible", "v1.1.0", "v1", "v3.0.0"]})
    found = await repository.versions(PATH)
    assert [version.value for version in found] == ["v1.0.0", "v2.0.0+incompatible", "v1.1.0"]
    assert stub.asked == [LIST]


async def test_an_empty_list_is_believed_of_a_repository_that_answers(
    stub: Stub, repository: FallbackRepository
) -> None:
    """The go command lists nothing where fetching failed; so the newest revision has to be known."""
    stub.says(LIST, {"Path": "x.test/m"})
    stub.says(LATEST, {"Version": "v0.0.0-1", "Origin": {"Hash": COMMIT}})
    assert await repository.versions(PATH) == ()
    failed = "x.test/m@latest: hg pull -f in /tmp/x/vcs: exit status 255:\n\tabort: error: Connection refused"
    stub.says(LATEST, {"Error": {"Err": failed}})
    with pytest.raises(SourceUnavailable, match="hg could not read the repository https://x") as caught:
        await repository.versions(PATH)
    assert "/tmp" not in caught.value.message


async def test_an_unknown_revision_is_absent_where_the_repository_is_read(
    stub: Stub, repository: FallbackRepository
) -> None:
    """In the go command's words; where its own newest revision is unknown too, nobody could say."""
    error = "x.test/m@nosuch: invalid version: unknown revision nosuch"
    stub.says("list -m -e -json x.test/m@nosuch", {"Error": {"Err": error}})
    stub.says(LATEST, {"Error": {"Err": "no matching versions"}, "Origin": {"Hash": COMMIT}})
    with pytest.raises(NotFound, match=error):
        await repository.resolve(PATH, Query("nosuch"))
    stub.says(LATEST, {"Error": {"Err": "x.test/m@latest: invalid version: unknown revision latest"}})
    with pytest.raises(SourceUnavailable):
        await repository.resolve(PATH, Query("nosuch"))


async def test_a_refusal_about_a_commit_needs_no_second_question(
    stub: Stub, repository: FallbackRepository
) -> None:
    """The commit that is named was read."""
    error = 'module x.test/m: no matching versions for query "latest"'
    stub.says(LATEST, {"Error": {"Err": error}, "Origin": {"Hash": COMMIT}})
    with pytest.raises(NotFound, match=error):
        await repository.latest(PATH)
    assert stub.asked == [LATEST]


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("abort: HTTP Error 404: Not Found", NoRepository),
        ("abort: HTTP Error 410: Gone", NoRepository),
        ("abort: http authorization required for https://x.test/hg/m", NoRepository),
        ("abort: HTTP Error 403: Forbidden", NoRepository),
        ("abort: HTTP Error 500: Internal Server Error", SourceUnavailable),
        ("abort: error: No space left on device", SourceUnavailable),
        ("", SourceUnavailable),
    ],
)
async def test_what_mercurial_says(
    stub: Stub, repository: FallbackRepository, said: str, meaning: type[Exception]
) -> None:
    """A repository that is not there is an absence; all else that goes wrong is an outage, without local paths."""
    failed = f"x.test/m@v1.0.0: invalid version: hg pull -f in /tmp/x: exit status 255:\n\t{said}"
    stub.says(DOWNLOAD, {"Error": failed})
    with pytest.raises(meaning) as caught:
        await repository.info(VERSION)
    assert isinstance(caught.value, meaning)
    assert "/tmp" not in str(caught.value)
    assert isinstance(caught.value, NotFound) == (meaning is NoRepository)


async def test_one_run_makes_all_three_files(
    stub: Stub, repository: FallbackRepository, tmp_path: Path
) -> None:
    """`.info`, `.mod` and `.zip` of a version, whoever asks at once, are one run of the go command."""
    stub.says(DOWNLOAD, stub.has(GoMod=b"module x.test/m\n", Zip=b"zip"))
    infos = await asyncio.gather(*[repository.info(VERSION) for _ in range(5)])
    assert {info.body for info in infos} == {json.dumps(INFO, separators=(",", ":")).encode()}
    assert await repository.go_mod(VERSION) == b"module x.test/m\n"
    await repository.zip(VERSION, tmp_path / "zip")
    assert (tmp_path / "zip").read_bytes() == b"zip"
    assert stub.asked == [DOWNLOAD]


async def test_a_query_is_answered_with_what_was_written(stub: Stub, repository: FallbackRepository) -> None:
    """The `.info` is the go command's file, without the name by which it was asked for first."""
    origin = {"VCS": "hg", "URL": "https://x.test/a&b", "Hash": COMMIT}
    stub.has({**INFO, "Origin": {**origin, "Ref": "17b7dd2"}})
    stub.says("list -m -e -json x.test/m@17b7dd2", {"Version": "v1.0.0", "Origin": {"Hash": COMMIT}})
    found: Info = await repository.resolve(PATH, Query("17b7dd2"))
    assert found.version == VERSION.version
    assert json.loads(found.body)["Origin"] == origin
    assert b"a\\u0026b" in found.body
    stub.has({**INFO, "Origin": {**origin, "Ref": "v1.0.0"}})
    found = await repository.resolve(PATH, Query("17b7dd2"))
    assert json.loads(found.body)["Origin"]["Ref"] == "v1.0.0"


async def test_an_empty_repository_has_no_versions(stub: Stub, repository: FallbackRepository) -> None:
    """The go command makes a version of Mercurial's null revision; here it is none."""
    stub.says(LATEST, {"Version": "v0.0.0-19700101000000-000000000000", "Origin": {"Hash": "0" * 40}})
    with pytest.raises(NotFound, match="no commits"):
        await repository.latest(PATH)


async def test_a_zip_that_cannot_be_is_absent_and_the_rest_is_not(
    stub: Stub, repository: FallbackRepository, tmp_path: Path
) -> None:
    """A bad name fails the zip alone, with the reason."""
    stub.says(
        DOWNLOAD, {**stub.has(GoMod=b"module x.test/m\n"), "Error": "create zip: a:b: malformed file path"}
    )
    assert (await repository.info(VERSION)).version == VERSION.version
    with pytest.raises(NotFound, match="create zip: a:b"):
        await repository.zip(VERSION, tmp_path / "zip")


async def test_a_go_command_that_is_too_old_is_said(
    stub: Stub, repository: FallbackRepository, tmp_path: Path
) -> None:
    """What a newer one could build is no absence."""
    stub.says(DOWNLOAD, {**stub.has(), "Error": "x.test/m@v1.0.0 requires go >= 1.99 (running go 1.27.3)"})
    with pytest.raises(NeedsTool, match="needs a newer go on the server"):
        await repository.zip(VERSION, tmp_path / "zip")


@pytest.mark.parametrize(
    "query", ["remote(x)", "latest", "upgrade", "none", "a~1", "x^", "{0}", "=v1", "a b"]
)
async def test_expressions_are_no_revisions(stub: Stub, repository: FallbackRepository, query: str) -> None:
    """What the go command or Mercurial would take for more than a name is not handed to them."""
    with pytest.raises(NotFound):
        await repository.resolve(PATH, Query(query))
    assert stub.asked == []


async def test_the_go_command_is_alone(stub: Stub, repository: FallbackRepository, tmp_path: Path) -> None:
    """It asks the repository and nobody else, keeps everything in its folder, and inherits nothing."""
    stub.says(LIST, {"Versions": ["v1.0.0"]})
    await repository.versions(PATH)
    env = stub.environment
    folder = next(each for each in (tmp_path / "go").iterdir() if each.is_dir())
    expected = {
        "GOPROXY": "direct",
        "GOSUMDB": "off",
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOVCS": "*:hg",
        "GOINSECURE": "x.test/m",
        "GOFLAGS": "-modcacherw",
        "HGPLAIN": "+strictflags",
    }
    assert expected.items() <= env.items()
    for name in ("HOME", "GOMODCACHE", "GOPATH", "GOCACHE", "TMPDIR", "HGRCPATH"):
        assert Path(env[name]).is_relative_to(folder), name
    assert SECRET not in env.values()
    assert "clonebundles = no" in Path(env["HGRCPATH"]).read_text()


async def test_a_path_that_names_its_repository_needs_no_page(
    stub: Stub, opener: Callable[..., FallbackRepositories]
) -> None:
    """Then not even the go command's own question for a page may go by plain http."""
    path = ModulePath.parse("x.test/m.hg")
    stub.says("list -m -e -json -versions -retracted x.test/m.hg", {"Versions": ["v1.0.0"]})
    await opener().open(RepoRoot(path.value, "hg", "https://x.test/m")).versions(path)
    assert stub.environment["GOINSECURE"] == ""


@pytest.mark.parametrize("said", ["", "no json", "[]", "{}{}"])
async def test_nonsense_is_an_outage(stub: Stub, repository: FallbackRepository, said: str) -> None:
    """What is no answer of the go command is none of the repository."""
    stub.says(LIST, said)
    with pytest.raises(SourceUnavailable):
        await repository.versions(PATH)


async def test_a_host_that_is_not_there_is_not_asked(
    stub: Stub, opener: Callable[..., FallbackRepositories]
) -> None:
    """The go command is not even started."""
    root = RepoRoot("gone.test/m", "hg", "https://gone.test/m")
    with pytest.raises(Unreachable):
        await opener().open(root).latest(ModulePath.parse("gone.test/m"))
    assert stub.asked == []


async def test_folders_go(stub: Stub, opener: Callable[..., FallbackRepositories], tmp_path: Path) -> None:
    """A folder is removed when its time is up, at the end, and by the next process where one was killed."""
    stub.says(LIST, {"Versions": ["v1.0.0"]})
    left = tmp_path / "go" / "go-left"
    left.mkdir(parents=True)
    short = opener(keep=0.0)
    await short.open(ROOT).versions(PATH)
    assert not left.exists()
    long = opener()
    await long.open(ROOT).versions(PATH)
    await long.open(ROOT).versions(PATH)
    await short.aclose()
    assert len(list((tmp_path / "go").iterdir())) == 1
    await long.aclose()
    assert list((tmp_path / "go").iterdir()) == []
