"""Group G: what hostile git servers do: refs without end, bundles and alternates elsewhere, repositories like traps."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goproxy_mirror.errors import NotFound, SecurityError
from goproxy_mirror.mirror.answers import FileAnswer
from goproxy_mirror.module.path import ModulePath
from goproxy_mirror.module.version import ModuleVersion, Version
from goproxy_mirror.ports import FileKind
from goproxy_mirror.protocol import File
from tests.mirror.conftest import Journey
from tests.threats.conftest import Agree
from tests.threats.hostile import GO_MOD, ROOT, Ours
from tests.threats.measured import LIST, measure
from tests.vcs.gitkit import Repo, serve

MB = 1 << 20
OID = b"1" * 40


def pkt(line: bytes) -> bytes:
    """A line in git's packet format."""
    return b"%04x%b" % (len(line) + 4, line)


@contextmanager
def endless_refs(*, version: int) -> Iterator[tuple[str, list[int]]]:
    """A server that advertises refs for ever; its URL, and a list of how many bytes it has sent."""
    sent: list[int] = []

    def answer(client: socket.socket) -> None:
        with client:
            request = client.recv(65536)
            client.sendall(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-git-upload-pack-"
            )
            if request.startswith(b"GET"):
                client.sendall(b"advertisement\r\n\r\n" + pkt(b"# service=git-upload-pack\n") + b"0000")
                if version == 2:
                    client.sendall(pkt(b"version 2\n") + pkt(b"ls-refs\n") + pkt(b"fetch=filter\n") + b"0000")
                    return
                client.sendall(pkt(OID + b" HEAD\0 multi_ack\n"))
            else:
                client.sendall(b"result\r\n\r\n")
            number = 0
            while True:
                lines = b"".join(pkt(b"%b refs/pull/%d/head\n" % (OID, number + i)) for i in range(20_000))
                number += 20_000
                client.sendall(lines)
                sent.append(len(lines))

    def serve_one(client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client goes away, as it should
            answer(client)

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/r", sent
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("version", [0, 2])
def test_g23__refs_without_end(version: int, tmp_path: Path) -> None:
    """git keeps refs in memory until the last has come: it is given so much of it and no more, and that is an outage."""
    with endless_refs(version=version) as (url, sent):
        refused = measure(url, tmp_path, LIST)
    # By its size, or on a slow machine by the time it takes: an outage in both cases, never an absence.
    assert refused.kind in {"SourceUnavailable", "SourceTimeout"}
    assert refused.own < 100 * MB
    assert refused.largest < 1200 * MB
    assert sum(sent) > 50 * MB  # far from being refused at the first line


async def test_g27__bundles_elsewhere(repo: Repo, ours: Ours, tmp_path: Path) -> None:
    """A server that names a bundle to begin with is not followed there."""
    repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0",))
    with serve(tmp_path / "remotes") as served, serve(tmp_path / "remotes") as elsewhere:
        served.config |= {
            "uploadpack.advertiseBundleURIs": "true",
            "bundle.version": "1",
            "bundle.mode": "all",
            "bundle.x.uri": f"{elsewhere.base}/x.bundle",
        }
        assert (await ours.says(f"{served.base}/r.git", "v1.0.0")).h1
        assert not elsewhere.requests
        # Positive control: a clone that is told to begin there does.
        repo.git(
            "clone",
            "-q",
            "--bare",
            f"--bundle-uri={elsewhere.base}/x.bundle",
            repo.url,
            str(tmp_path / "clone"),
        )
        assert elsewhere.requests


async def test_g30__alternates(repo: Repo, agree: Agree, ours: Ours, tmp_path: Path) -> None:
    """Objects that a repository says are elsewhere are not fetched from there: no other server, no other folder."""
    secret = Repo(tmp_path / "remotes" / "secret.git")
    hidden = secret.commit({"go.mod": GO_MOD, "secret.go": "package secret\n"})
    repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0",))
    repo.git("update-server-info")
    info = repo.folder / "objects" / "info"
    with serve(tmp_path / "remotes") as served, serve(tmp_path / "remotes") as elsewhere:
        # What a server that speaks no git says; the commit is to be found elsewhere alone.
        served.dumb = elsewhere.dumb = True
        (info / "http-alternates").write_text(f"{elsewhere.base}/secret.git/objects\n")
        (info / "alternates").write_text(f"{secret.folder}/objects\n")
        (repo.folder / "info" / "refs").write_text(f"{hidden}\trefs/heads/main\n{hidden}\trefs/tags/v1.1.0\n")
        said = await ours.says(f"{served.base}/r.git", "v1.1.0")
        assert said.refused
        assert not said.commit
        assert not elsewhere.requests
        # Positive control: a git that follows redirects goes there.
        repo.git(
            "-c",
            "http.followRedirects=true",
            "clone",
            "-q",
            "--bare",
            f"{served.base}/r.git",
            str(tmp_path / "c"),
        )
        assert elsewhere.requests
    (repo.folder / "info" / "refs").unlink()
    # On a path of this machine, git reads what the folder's owner has borrowed, as it does for the go command.
    (info / "http-alternates").unlink()
    repo.git("update-ref", "refs/tags/v1.1.0", hidden)
    repo.git("update-ref", "refs/heads/main", hidden)
    assert all(each.h1 for each in await agree(repo, "v1.0.0", "v1.1.0"))


async def test_g12__a_moved_tag(repo: Repo, ours: Ours) -> None:
    """What the repository says of a version follows its tag; nothing of the old is mixed with the new in one answer."""
    repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0",))
    before = await ours.says(repo.url, "v1.0.0")
    moved = repo.commit({"go.mod": GO_MOD + "// moved\n", "a.go": "package b\n"})
    repo.git("update-ref", "refs/tags/v1.0.0", moved)
    assert await ours.says(repo.url, "v1.0.0") == before  # for as long as refs are believed
    later = Ours(ours.state / "later")
    after = await later.says(repo.url, "v1.0.0")
    assert after.commit == moved
    assert len({before.mod, after.mod}) == len({before.h1, after.h1}) == 2
    repo.git("update-ref", "-d", "refs/tags/v1.0.0")
    gone = Ours(ours.state / "gone")
    assert isinstance((await gone.says(repo.url, "v1.0.0")).error, NotFound)


@pytest.mark.parametrize("first", [FileKind.INFO, FileKind.MOD, FileKind.ZIP])
async def test_g12__a_tag_that_moves_between_two_files(first: FileKind, repo: Repo, tmp_path: Path) -> None:
    """Files of two commits are never published as one version: whichever came first says which commit it is."""
    repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0", "v1.1.0"))
    mv = ModuleVersion(ModulePath.parse(ROOT), Version("v1.0.0"))
    other = ModuleVersion(mv.path, Version("v1.1.0"))
    before = Journey(tmp_path / "mirror", Ours(tmp_path / "before").source(repo.url))
    async with before.flights:
        published = await _file(before, mv, first)
    # The go.mod is the same, so that nothing but the commit tells the two apart.
    repo.git("update-ref", "refs/tags/v1.0.0", repo.commit({"go.mod": GO_MOD, "a.go": "package evil\n"}))
    after = Journey(tmp_path / "mirror", Ours(tmp_path / "after").source(repo.url))
    async with after.flights:
        for kind in {FileKind.MOD, FileKind.ZIP} - {first}:
            with pytest.raises(SecurityError, match="tag was moved"):
                await _file(after, mv, kind)
        assert await _file(after, mv, first) == published
        # Positive control: a version whose tag has stayed where it was is completed.
        for kind in (first, *FileKind):
            assert await _file(after, other, kind)


async def _file(journey: Journey, mv: ModuleVersion, kind: FileKind) -> bytes:
    """A file of a version, as the journey answers it."""
    answer = await journey.service.answer(File(mv, kind))
    assert isinstance(answer, FileAnswer)
    return answer.path.read_bytes()
