"""Group G: what hostile repositories hold. The go command in direct mode says what each module is, or that it is none."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from goproxy_mirror.errors import MirrorError, NotFound
from goproxy_mirror.module.path import ModulePath
from tests.threats.conftest import Agree
from tests.threats.hostile import (
    GO_MOD,
    ROOT,
    Direct,
    Ours,
    canary,
    point,
    runs,
    store,
    store_commit,
    store_tree,
)
from tests.vcs.gitkit import Repo

LINK = "120000"


async def test_g01__symlinks(repo: Repo, agree: Agree, tmp_path: Path) -> None:
    """Links are left out, wherever they lead; one in the place of a go.mod or a LICENSE is its target's text."""
    secret = tmp_path / "secret"
    secret.write_text("module secret\n")
    repo.commit(
        {
            "go.mod": GO_MOD,
            "a.go": "package a\n",
            "passwd": (LINK, "/etc/passwd"),
            "up": (LINK, "../../../secret"),
            "sub/go.mod": (LINK, str(secret)),
            "LICENSE": (LINK, "/etc/passwd"),
            "dir/go.mod": f"module {ROOT}/dir\n",
            "dir/b.go": "package b\n",
        },
        tags=("v1.0.0", "sub/v1.0.0", "dir/v1.0.0"),
    )
    repo.commit({"go.mod": (LINK, GO_MOD.strip()), "a.go": "package a\n"}, tags=("v1.1.0",))
    repo.commit({"go.mod": (LINK, str(secret)), "a.go": "package a\n"}, tags=("v1.2.0",))
    first, second, third = await agree(repo, "v1.0.0", "v1.1.0", "v1.2.0")
    assert first.h1
    assert second.h1
    assert "missing module path" in third.refused
    (directory,) = await agree(repo, "v1.0.0", path=f"{ROOT}/dir")
    assert directory.h1
    (linked,) = await agree(repo, "v1.0.0", path=f"{ROOT}/sub")
    assert not linked.mod


async def test_g02__names_that_differ_in_case_alone(repo: Repo, agree: Agree) -> None:
    """No zip of such a tree, in whatever alphabet; `.info` and `.mod` there are."""
    repo.commit({"go.mod": GO_MOD, "Read.md": "a", "READ.md": "b"}, tags=("v1.0.0",))
    repo.commit({"go.mod": GO_MOD, "\u212a.md": "a", "k.md": "b"}, tags=("v1.1.0",))
    repo.commit({"go.mod": GO_MOD, "a/x": "a", "A/y": "b"}, tags=("v1.2.0",))
    repo.commit({"go.mod": GO_MOD, "stra\u00dfe": "a", "strasse": "b"}, tags=("v1.3.0",))
    said = await agree(repo, "v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0")
    assert ["collision" in each.refused for each in said] == [True, True, True, False]
    assert all(each.mod for each in said)


async def test_g07_g10__tags_of_any_name(repo: Repo, agree: Agree, ours: Ours, tmp_path: Path) -> None:
    """A tag is a name and never an option, a command, markup or a number in another script."""
    program, left = canary(tmp_path)
    commit = repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0",))
    names = [
        f"--upload-pack={program}",
        "--upload-pack=x",
        "-v1.0.1",
        "--",
        "--exec=$(id)",
        f"$({program})",
        "`id`",
        ";id;",
        "|id",
        "<script>alert(1)</script>",
        "v1.0.2-<script>",
        "v\uff11.\uff10.\uff13",
        "v1.0.\u0664",
        "v1.0.4\u200b",
        "\u202ev1.0.5",
        "HEAD",
        "v1.0.6-\udcff",
        "-",
        "@",
    ]
    point(repo, {f"refs/tags/{name}": commit for name in names} | {f"refs/heads/{names[0]}": commit})
    assert sorted(map(str, (await ours.source(repo.url).versions(ModulePath.parse(ROOT))).value)) == [
        "v1.0.0"
    ]
    await agree(repo, "v1.0.0", commit[:12])
    for name in names:
        said = await ours.says(repo.url, name)
        assert said.commit in {"", commit}
        assert said.version in {"", "v1.0.0"}
    # Whoever goes round the parser of requests gets no further.
    with contextlib.suppress(MirrorError):
        await ours.repositories.open(repo.url, trusted=True).commit(f"refs/tags/{names[0]}")
    assert not left.exists()
    git = ["git", "ls-remote", f"--upload-pack={program}", str(repo.folder)]
    subprocess.run(git, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert left.exists()  # what it would do


async def test_g11__a_branch_posing_as_a_version(repo: Repo, agree: Agree) -> None:
    """Versions are tags; a branch of that name is none, though it hides no tag either."""
    commit = repo.commit({"go.mod": GO_MOD}, tags=("v1.0.0",))
    other = repo.commit({"go.mod": GO_MOD, "evil.go": "package evil\n"})
    point(repo, {"refs/heads/v1.2.3": other, "refs/heads/v1.0.0": other, "refs/tags/v1.9.0/x": commit})
    real, branch, folder = await agree(repo, "v1.0.0", "v1.2.3", "v1.9.0")
    assert real.commit == commit
    assert "v1.2.3" in branch.refused
    assert folder.refused


async def test_g13__commits_of_forks(repo: Repo, agree: Agree, ours: Ours) -> None:
    """What is neither on a head nor on a tag is no revision, though the server gives it to whoever names it."""
    commit = repo.commit({"go.mod": GO_MOD}, tags=("v1.0.0",))
    fork = repo.commit({"go.mod": GO_MOD, "evil.go": "package evil\n"}, branch="fork", parent=commit)
    repo.git("update-ref", "refs/pull/1/head", fork)
    repo.git("update-ref", "-d", "refs/heads/fork")
    pseudo = f"v1.0.1-0.20231114231320-{fork[:12]}"
    for said in await agree(repo, fork, fork[:12], pseudo, "refs/pull/1/head", "pull/1/head"):
        assert said.refused
    repo.git("update-ref", "refs/heads/real", fork)  # on a branch, the same commit is a revision
    again = Ours(ours.state / "again")
    assert (await again.says(repo.url, pseudo)).commit == fork


async def test_g14_g17_g19__nothing_in_a_tree_is_run(repo: Repo, agree: Agree, tmp_path: Path) -> None:
    """Submodules, filters, LFS, hooks and configuration: no program that a repository names is ever started."""
    program, left = canary(tmp_path)
    commit = repo.commit({"a.txt": "a"})
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 10\n"
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n*.go filter=evil diff=evil\n*.tar export\n"
    repo.commit(
        {
            "go.mod": GO_MOD,
            "a.go": "package a\n",
            "big.bin": pointer,
            ".gitattributes": attributes,
            ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::{program}\n\tupdate = !{program}\n',
            "x": ("160000", commit),
            ".gitconfig": f"[core]\n\tfsmonitor = {program}\n",
            ".lfsconfig": f"[lfs]\n\turl = ext::{program}\n",
            "hooks/post-checkout": ("100755", program.read_bytes()),
        },
        tags=("v1.0.0",),
    )
    # The tree also has what would be a repository's own folder, if it were ever checked out.
    hook = store_tree(repo, [("100755", b"post-checkout", repo.blob(program.read_bytes()))])
    folder = store_tree(repo, [("40000", b"hooks", hook)])
    go_mod = repo.blob(GO_MOD)
    for tag, name in (
        ("v1.1.0", b".git"),
        ("v1.2.0", b".GIT"),
        ("v1.3.0", b"git~1"),
        ("v1.4.0", b".g\xe2\x80\x8cit"),
    ):
        store_commit(
            repo, store_tree(repo, [("40000", name, folder), ("100644", b"go.mod", go_mod)]), ref=tag
        )
    hooks = repo.folder / "hooks"
    hooks.mkdir()
    for each in (
        "post-checkout",
        "post-merge",
        "pre-auto-gc",
        "reference-transaction",
        "post-update",
        "post-upload-pack",
    ):
        (hooks / each).write_bytes(program.read_bytes())
        (hooks / each).chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.pager", "filter.lfs.smudge",
                "filter.evil.smudge", "filter.lfs.process", "diff.evil.textconv", "tar.tar.command",
                "uploadpack.packObjectsHook", "credential.helper", "core.alternateRefsCommand"):  # fmt: skip
        repo.git("config", key, str(program))
    said = await agree(repo, "v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0")
    assert said[0].h1
    assert not left.exists()
    runs(program)
    assert left.exists()


async def test_g15_g16_g18__attributes(repo: Repo, agree: Agree) -> None:
    """`export-subst` and `export-ignore` have no effect, as in the go command; nor have a hundred thousand lines."""
    files = {
        "go.mod": GO_MOD,
        "a.go": "package a // $Format:%H$ $Id$\r\n",
        "b.txt": "$Format:%(trailers)$\r\n",
        "hidden.go": "package a\n",
    }
    attributes = "*.go export-subst\nb.txt export-subst text\nhidden.go export-ignore\n"
    repo.commit({**files, ".gitattributes": attributes}, tags=("v1.0.0",))
    repo.commit({**files, ".gitattributes": attributes + "*.go ident text eol=crlf\n"}, tags=("v1.1.0",))
    huge = "".join(f"f{number:05d}*x{number} text eol=crlf ident\n" for number in range(100_000))
    repo.commit(
        {**files, ".gitattributes": huge + attributes, "d/.gitattributes": "x" * 5000}, tags=("v1.2.0",)
    )
    repo.commit({**files, ".gitattributes": "b.txt working-tree-encoding=UTF-16\n"}, tags=("v1.3.0",))
    repo.commit({**files, ".gitattributes": "b.txt working-tree-encoding=nonsense\n"}, tags=("v1.4.0",))
    said = await agree(repo, *(f"v1.{minor}.0" for minor in range(5)))
    assert all(each.h1 for each in said)
    assert len({each.h1 for each in said}) == 5


async def test_g20__names_that_lead_out_of_the_tree(repo: Repo, agree: Agree) -> None:
    """No zip can have such a name; and nothing is ever written under it."""
    go_mod, evil = repo.blob(GO_MOD), repo.blob("evil\n")
    inner = store_tree(repo, [("100644", b"evil", evil)])
    names = [
        b"..",
        b"a/b",
        b"../x",
        b"/etc",
        b"a\\b",
        b"c:",
        b"nul",
        b"a\nb",
        b"\x1b[2J",
        b"\xff",
        b".git",
        b".GiT ",
    ]
    for number, name in enumerate(names):
        mode, oid = ("100644", evil) if number % 2 else ("40000", inner)
        entries = sorted([("100644", b"go.mod", go_mod), (mode, name, oid)], key=lambda entry: entry[1])
        store_commit(repo, store_tree(repo, entries), ref=f"v1.{number}.0")
    twice = [("100644", b"a", go_mod), ("100644", b"a", evil), ("100644", b"go.mod", go_mod)]
    store_commit(repo, store_tree(repo, twice), ref="v1.99.0")
    queries = [*(f"v1.{number}.0" for number in range(len(names))), "v1.99.0"]
    said = await agree(repo, *queries, local=False)
    assert any(each.refused for each in said)


async def test_g20__outside_of_the_modules_folder(repo: Repo, agree: Agree) -> None:
    """git archives no folder of a commit that has such a name anywhere; other names forbid nothing outside."""
    go_mod, evil = repo.blob(f"module {ROOT}/sub\n"), repo.blob("evil\n")
    sub = store_tree(repo, [("100644", b"go.mod", go_mod)])
    for number, name in enumerate((b".git", b"a.git", b"a:b", b"GIT~1", b"nul")):
        tree = sorted([("100644", name, evil), ("40000", b"sub", sub)], key=lambda entry: entry[1])
        store_commit(repo, store_tree(repo, tree), ref=f"sub/v1.{number}.0")
    said = await agree(repo, *(f"v1.{number}.0" for number in range(5)), path=f"{ROOT}/sub")
    assert [bool(each.h1) for each in said] == [False, True, True, False, True]


async def test_g22__tags_on_tags(repo: Repo, agree: Agree) -> None:
    """A thousand tags on each other lead to the commit; tags that lead round in a circle lead nowhere."""
    commit = repo.commit({"go.mod": GO_MOD}, tags=("v1.0.0",))
    oid, kind = commit, "commit"
    for _ in range(1000):
        oid = store(
            repo, "tag", f"object {oid}\ntype {kind}\ntag t\ntagger T <t@x.test> 1 +0000\n\nm\n".encode()
        )
        kind = "tag"
    point(repo, {"refs/tags/v1.1.0": oid})
    # An object's name is its hash, so a circle has to be one of names, or of objects that are not there.
    for here, there in (("v1.2.0", "v1.3.0"), ("v1.3.0", "v1.2.0"), ("v1.4.0", "v1.4.0")):
        (repo.folder / "refs" / "tags" / here).write_text(f"ref: refs/tags/{there}\n")
    long, *circles = await agree(repo, "v1.1.0", "v1.2.0", "v1.4.0")
    assert long.commit == commit
    assert all(each.refused for each in circles)


DATES = {
    "0 +0000": True,
    "1 -1200": True,
    "1700000000 +9999": True,
    "1700000000 -2400": True,
    "1700000000": False,
    "1700000000+0000": True,
    "1700000000 +": False,
    "1700000000 00": False,
    "253402300799 +0000": True,
    "99999999999999999999999 +0000": False,
    "-1 +0000": None,
    "-62167219200 +0000": None,
    "1e9 +0000": None,
    "0x10 +0000": None,
    "": None,
    "yesterday": None,
    "1700000000 +0000 2 +0000": True,
}
BEYOND = ("253402300800 +0000", "9223372036854775807 +0000")


async def test_g24__absurd_dates(repo: Repo, agree: Agree, direct: Direct, ours: Ours) -> None:
    """A commit's time is what the go command takes it for; where it can make no version of it, nor can we."""
    tree = repo.tree({"go.mod": GO_MOD})
    for number, date in enumerate(DATES):
        store_commit(repo, tree, date=date, ref=f"v1.{number}.0")
    queries = [f"v1.{number}.0" for number in range(len(DATES))]
    said = await agree(repo, *queries, local=False)
    for (date, accepted), each in zip(DATES.items(), said, strict=True):
        assert accepted is None or bool(each.h1) is accepted, f"{date}: {each.refused}"
    # From the year 10000 on the go command has no `.info` that it could write, so there is none to serve.
    for number, date in enumerate(BEYOND):
        store_commit(repo, tree, date=date, ref=f"v1.{number}.1")
    for number, theirs in enumerate(direct.says(repo, *(f"v1.{number}.1" for number in range(len(BEYOND))))):
        assert not theirs.version
        assert isinstance((await ours.says(repo.url, f"v1.{number}.1")).error, NotFound)


async def test_g25__vendored_packages(repo: Repo, agree: Agree) -> None:
    """Nested vendor folders, under the rules before and since go 1.24."""
    files = {
        "a.go": "package a\n",
        "vendor/modules.txt": "# x\n",
        "vendor/x.test/a/a.go": "package a\n",
        "vendor/vendor/x/a.go": "package a\n",
        "b/vendor/b.go": "package b\n",
        "b/vendor/c/vendor/d.go": "package d\n",
        "b/vendor/vendor.go": "package b\n",
        "vendor/go.mod": "module vendor\n",
        "c/vendor/modules.txt": "# x\n",
        "d/vendor/x/go.mod": "module x\n",
    }
    for minor, line in enumerate(("", "go 1.23\n", "go 1.24\n", "go x\n")):
        repo.commit({"go.mod": GO_MOD + line, **files}, tags=(f"v1.{minor}.0",))
    said = await agree(repo, *(f"v1.{minor}.0" for minor in range(4)))
    assert len({each.h1 for each in said}) > 1


async def test_g26__sha256(tmp_path: Path, agree: Agree) -> None:
    """A repository that names its objects by SHA-256."""
    repo = Repo(tmp_path / "remotes" / "r.git", form="sha256")
    repo.commit({"go.mod": GO_MOD, "a.go": "package a\n"}, tags=("v1.0.0",))
    later = repo.commit({"go.mod": GO_MOD, "a.go": "package b\n"})
    tagged, named, head = await agree(repo, "v1.0.0", later[:12], "main")
    assert tagged.h1
    assert named.commit == head.commit == later
