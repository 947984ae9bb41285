"""The reason to exist: `go mod tidy` works although the vanity host, the origin, and every upstream are gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import NewDeveloper, StartServer
from tests.world.go import main_package
from tests.world.internet import Internet
from tests.world.modules import ERRORS, ERRORS_VERSIONS, MOD, MOD_VERSIONS, NESTED_PROJECT, YAML, Modules
from tests.world.repositories import git, repository_of_module
from tests.world.server import Server
from tests.world.zips import h1

RULE = "golang.org/x/{repo}=https://github.com/golang/{repo}"
GONE = ("golang.org", "go.googlesource.com", "goproxy.cn", "goproxy.io")


@pytest.fixture
def github(internet: Internet, mod_repository: Path) -> Internet:
    """An Internet of which only github.com/golang/mod is left."""
    internet.repository("github.com/golang/mod", mod_repository)
    return internet


def tidies(server: Server, developer: NewDeveloper, modules: Modules) -> None:
    """`go mod tidy` through the server ends with the published go.sum."""
    go = developer(server.url)
    go.project(NESTED_PROJECT)
    go.run("mod", "tidy").ok()
    assert go.go_sum() == modules.nested_go_sum


def test_vanity_host_and_origin_are_black_holes(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, github: Internet
) -> None:
    """One mirror rule is enough where golang.org and go.googlesource.com swallow every connection."""
    github.black_hole(*GONE)
    server = start_server("--upstream", "direct", "--no-builtin-mirrors", "--mirror", RULE)
    tidies(server, developer, modules)
    assert "golang.org" in github.hosts_asked


def test_without_a_mirror_the_same_outage_is_fatal(
    start_server: StartServer, developer: NewDeveloper, github: Internet
) -> None:
    """Positive control: with the rule left out, nothing can be found, and that is not said as an absence."""
    server = start_server("--upstream", "direct", "--no-builtin-mirrors")
    assert server.get("/golang.org/x/mod/@v/v0.22.0.zip").status in {502, 503, 504}
    go = developer(server.url)
    go.project(NESTED_PROJECT)
    failed = go.run("mod", "tidy").failed()
    assert "golang.org" in failed.stderr


def test_every_default_upstream_is_dead(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, github: Internet
) -> None:
    """With no setting at all, the built-in table leads to the one repository that can still be reached."""
    server = start_server()
    tidies(server, developer, modules)
    assert github.hosts_asked - {"github.com", "golang.org"}, "no upstream of the default list was asked"


def test_built_in_table_knows_gopkg_in(
    start_server: StartServer, modules: Modules, internet: Internet, tmp_path: Path
) -> None:
    """With gopkg.in gone, `gopkg.in/yaml.v3` is found where its page used to lead."""
    repository = repository_of_module(tmp_path / "yaml.git", modules.tree, YAML, ["v3.0.1"])
    internet.repository("github.com/go-yaml/yaml", repository)
    server = start_server("--upstream", "direct")
    answer = server.get(f"/{YAML}/@v/v3.0.1.zip")
    assert answer.status == 200, answer.text
    assert h1(answer.body) == h1(modules.tree / YAML / "@v/v3.0.1.zip")


def test_branch_and_commit_from_a_mirror(
    start_server: StartServer, developer: NewDeveloper, github: Internet, mod_repository: Path
) -> None:
    """Branches and commits are resolved from the mirror as from the origin."""
    server = start_server("--upstream", "direct", "--no-builtin-mirrors", "--mirror", RULE)
    commit = git(mod_repository, "rev-parse", "refs/heads/dev")
    wanted = f"v0.22.1-0.20250601120000-{commit[:12]}"
    for query in ("dev", commit):
        go = developer(server.url)
        go.project(main_package(f"{MOD}/semver"))
        go.run("get", f"{MOD}@{query}").ok()
        assert f"{MOD} {wanted}" in (go.work / "go.mod").read_text()
    go = developer(server.url)
    go.project(main_package())
    assert go.run("list", "-m", "-versions", MOD).ok().stdout.split() == [MOD, *MOD_VERSIONS]


@pytest.mark.parametrize("death", ["refused", "black hole", "no such repository"])
def test_first_mirror_is_dead_and_the_second_alive(
    death: str,
    start_server: StartServer,
    developer: NewDeveloper,
    modules: Modules,
    github: Internet,
    tmp_path: Path,
) -> None:
    """The next candidate takes over, however the first one died."""
    if death == "black hole":
        github.black_hole("dead.test")
    if death == "no such repository":
        github.tree("dead.test", tmp_path)
    rules = ("--mirror", "golang.org/x/{repo}=https://dead.test/{repo}", "--mirror", RULE)
    server = start_server("--upstream", "direct", "--no-builtin-mirrors", *rules)
    tidies(server, developer, modules)
    assert "dead.test" in github.hosts_asked


def test_mirrors_before_the_origin(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, github: Internet
) -> None:
    """With `--order mirrors,origin` the origin is not even asked for what a mirror has."""
    rules = ("--mirror", RULE, "--order", "mirrors,origin")
    server = start_server("--upstream", "direct", "--no-builtin-mirrors", *rules)
    assert server.get(f"/{MOD}/@v/v0.22.0.zip").status == 200
    assert github.hosts_asked == {"github.com"}


def test_rewrite_of_a_whole_host(
    start_server: StartServer, modules: Modules, internet: Internet, tmp_path: Path
) -> None:
    """A rewrite rule finds every repository of a host elsewhere."""
    repository = repository_of_module(tmp_path / "errors.git", modules.tree, ERRORS, ERRORS_VERSIONS)
    internet.repository("mirror.test/github.com/pkg/errors", repository)
    rule = "https://github.com/=https://mirror.test/github.com/"
    server = start_server("--upstream", "direct", "--rewrite", rule)
    answer = server.get(f"/{ERRORS}/@v/v0.8.1.zip")
    assert answer.status == 200
    assert h1(answer.body) == h1(modules.tree / ERRORS / "@v/v0.8.1.zip")


def test_real_content_keeps_its_published_hash(
    start_server: StartServer, modules: Modules, tmp_path: Path
) -> None:
    """Every tagged real module, rebuilt from a repository with its content, has its published hashes and time."""
    tagged: dict[str, list[str]] = {}
    for escaped, version, _ in modules.zips():
        if not is_pseudo(version):
            tagged.setdefault(escaped, []).append(version)
    rules = []
    for escaped, versions in tagged.items():
        path = re.sub(r"!(.)", lambda match: match[1].upper(), escaped)
        folder = repository_of_module(tmp_path / escaped, modules.tree, path, versions)
        rules += ["--mirror", f"{path}={folder.as_uri()}"]
    server = start_server("--upstream", "direct", "--no-builtin-mirrors", *rules)
    for escaped, versions in tagged.items():
        for version in versions:
            zip_, mod, info = (
                server.get(f"/{escaped}/@v/{version}.{kind}") for kind in ("zip", "mod", "info")
            )
            assert (zip_.status, mod.status, info.status) == (200, 200, 200), (escaped, version)
            assert h1(zip_.body) == h1(modules.tree / escaped / "@v" / f"{version}.zip"), (escaped, version)
            assert mod.body == modules.file(escaped, version, "mod"), (escaped, version)
            published = json.loads(modules.file(escaped, version, "info"))
            assert json.loads(info.body)["Time"] == published["Time"], (escaped, version)
    assert len(tagged) >= 5


def is_pseudo(version: str) -> bool:
    """Whether a version names a commit, whose id no repository of ours can have."""
    return re.search(r"\d{14}-[0-9a-f]{12}$", version) is not None


def test_mirror_on_a_local_path(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, mod_repository: Path
) -> None:
    """A mirror may be a folder of this machine, since the operator says so."""
    rule = f"golang.org/x/mod={mod_repository}"
    server = start_server("--upstream", "direct", "--no-builtin-mirrors", "--mirror", rule)
    tidies(server, developer, modules)


def test_mirror_takes_over_from_dead_upstreams(
    start_server: StartServer, developer: NewDeveloper, modules: Modules, github: Internet
) -> None:
    """A module under a mirror rule reaches its mirrors after an outage, although the list says `,` and no `direct`."""
    server = start_server("--upstream", "https://goproxy.cn,https://goproxy.io", "--mirror", RULE)
    tidies(server, developer, modules)
