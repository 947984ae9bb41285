"""The files around the program: both READMEs, the requirements, the image, the unit, the changelog."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from goproxy_mirror import __version__
from goproxy_mirror.config import Settings, load

ROOT = Path(__file__).parents[1]
PAGES = (
    *("deployment", "keeping", "moving", "performance", "proof", "settings", "several-nodes", "stores"),
    "toolchains-and-vulndb",
)
IN_TWO_LANGUAGES = [
    (f"{name}.md", f"{name}.zh-CN.md") for name in ("README", *(f"docs/{page}" for page in PAGES))
]
IN_ONE_LANGUAGE = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
COMMANDS = (
    *("serve", "run", "fetch", "build", "verify", "env", "config show", "config check"),
    *("mirrors list", "mirrors test", "sumdb status", "sumdb forget-fork"),
    *("import", "export", "backup", "restore", "prune", "reindex"),
)
# Written in two halves, so that this file does not contain what it looks for.
ADDRESSES = [
    first + second
    for first, second in (
        ("pypi.", "org"),
        ("python", "hosted.org"),
        ("proxy.", "golang.org"),
        ("deb.", "debian.org"),
        ("registry.", "npmjs.org"),
        ("docker.", "io/"),
    )
]


def text_of(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text("utf-8")


def tracked() -> list[str]:
    """The names of the files in the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def fenced(text: str) -> list[str]:
    """The blocks of code in a Markdown text, without their comments, and indented ones line by line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4}(goproxy-mirror .*)$", text, re.MULTILINE)
    return [re.sub(r"^# .*\n", "", block, flags=re.MULTILINE) for block in blocks] + indented


def anchors(text: str) -> set[str]:
    """What the headings of a Markdown text are linked by, as GitHub makes it."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def flags_of(command: str) -> frozenset[str]:
    """The flags that a command's help names."""
    shown = subprocess.run(
        [sys.executable, "-m", "goproxy_mirror", *command.split(), "--help"],
        env={"PATH": os.environ["PATH"], "COLUMNS": "300", "NO_COLOR": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        check=True,
    )
    return frozenset(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown.stdout.decode()))


def invocations(text: str) -> list[tuple[str, str]]:
    """Each command of ours in a text with the flags before its `--`: (command, flag)."""
    found = []
    for line in text.splitlines():
        start = re.search(r"(?:goproxy-mirror|scripts/serve) (.*)", line)
        if start is None:
            continue
        words = f"serve {start[1]}" if "scripts/serve" in start[0] else start[1]
        command = next((each for each in COMMANDS if words.startswith(each)), None)
        if command is not None:
            own = words.split(" -- ")[0]
            found += [(command, flag) for flag in re.findall(r"(?<=\s)--[a-z][a-z-]+", own)]
    return found


@pytest.mark.parametrize(("english", "chinese"), IN_TWO_LANGUAGES)
def test_both_languages_have_the_same_headings(english: str, chinese: str) -> None:
    """A section that stands in one language stands in the other, at the same level."""
    levels = [
        [
            len(mark)
            for mark in re.findall(
                r"^(#+) ", re.sub(r"```.*?```", "", text_of(each), flags=re.DOTALL), re.MULTILINE
            )
        ]
        for each in (english, chinese)
    ]
    assert levels[0] == levels[1]


@pytest.mark.parametrize(("english", "chinese"), IN_TWO_LANGUAGES)
def test_both_languages_have_the_same_commands(english: str, chinese: str) -> None:
    """Every block of code is the same in both languages."""
    assert fenced(text_of(english)) == fenced(text_of(chinese))


@pytest.mark.parametrize("name", [name for name, _ in IN_TWO_LANGUAGES])
def test_documented_flags_exist(name: str) -> None:
    """Every command of ours in a page has the flags that the program has; the Chinese page has the same commands."""
    used = invocations("\n".join(fenced(text_of(name))))
    assert used or name != "README.md"
    assert [(command, flag) for command, flag in used if flag not in flags_of(command)] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_flags_in_sentences_exist(name: str) -> None:
    """A flag that is named in a sentence is one of `serve` or of `build`."""
    named = set(re.findall(r"`(--[a-z][a-z-]+)", text_of(name)))
    assert named
    assert named - flags_of("serve") - flags_of("build") == set()


@pytest.mark.parametrize("name", [name for pair in IN_TWO_LANGUAGES for name in pair] + IN_ONE_LANGUAGE)
def test_links_lead_somewhere(name: str) -> None:
    """A link to a file of this repository leads to one, and to a heading that it has."""
    lost = []
    for link, target, heading in re.findall(r"\]\(((?!https?://)([^)#]*)#?([^)]*))\)", text_of(name)):
        file = (ROOT / name).parent / target if target else ROOT / name
        if not file.exists() or (heading and heading not in anchors(file.read_text("utf-8"))):
            lost.append(link)
    assert lost == []


def test_architecture_names_what_is_there() -> None:
    """Each file of ours that ARCHITECTURE.md names exists, below the folder that it names."""
    named = set(re.findall(r"`([a-z][a-z_/]*\.py)`", text_of("ARCHITECTURE.md")))
    assert named
    there = [f"/{name}" for name in tracked()]
    assert [name for name in named if not any(each.endswith(f"/{name}") for each in there)] == []


def test_every_page_is_looked_at() -> None:
    """A new page of the documentation is one that these tests know."""
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == {
        name.removeprefix("docs/") for pair in IN_TWO_LANGUAGES[1:] for name in pair
    }


def test_no_addresses_of_registries_or_paths_of_a_machine() -> None:
    """What is shipped names no registry and no folder of whoever wrote it."""
    path = re.compile(r"/(?:root|work|Users)/|/home/(?!x/)[a-z]")
    found = []
    for name in tracked():
        try:
            text = text_of(name)
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {address}" for address in ADDRESSES if address in text]
        if name != "tests/test_shipping.py" and (match := path.search(text)):
            found.append(f"{name}: {match[0]}")
    assert found == []


@pytest.mark.parametrize("name", ["run", "dev", "build", "hg", "postgres"])
def test_requirements_are_pinned_and_hashed(name: str) -> None:
    """Every requirement has one version and at least one hash, and nothing says where to download it."""
    lines = text_of(f"requirements/{name}.txt").splitlines()
    heads = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert heads
    for number, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^\s;]+( ; .+)? \\", lines[number])
        hashes = [line.rstrip(" \\") for line in lines[number + 1 : end]]
        assert hashes
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes)


def test_image_sets_settings_that_exist() -> None:
    """The image's environment names settings of this program, and its user is not root."""
    text = text_of("Dockerfile")
    named = re.findall(r"GOPROXY_MIRROR_(\w+)=", text)
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)
    assert re.search(r'^CMD \["(\w+)"\]$', text, re.MULTILINE)[1] in COMMANDS  # type: ignore[index]


def test_image_gets_every_file_that_it_copies() -> None:
    """What the Dockerfile copies is let through by .dockerignore."""
    allowed = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text_of("Dockerfile"), re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    assert [source for source in copied if source not in allowed or not (ROOT / source).exists()] == []


@pytest.mark.parametrize("name", ["compose.yaml", "deploy/several-nodes/compose.yaml"])
def test_compose_names_settings_that_exist(name: str) -> None:
    """What the Compose files say of the environment are settings of this program."""
    named = re.findall(r"GOPROXY_MIRROR_(\w+):", text_of(name))
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_several_nodes_are_told_of_one_store_and_one_database() -> None:
    """The settings that the example of several nodes gives them can be meant, and every volume and service that it names is there."""
    text = text_of("deploy/several-nodes/compose.yaml")
    given = dict(re.findall(r"^    (GOPROXY_MIRROR_\w+): (\S+)", text, re.MULTILINE))
    given["GOPROXY_MIRROR_DATABASE"] = "postgresql://modules:secret@postgres/modules"
    settings = load(environ={"HOME": "/nowhere", **given}).settings
    assert str(settings.store) == "s3://modules/goproxy"
    assert "endpoint" in dict(settings.store_options)
    services = set(
        re.findall(r"^  (\w+):$", text.partition("\nservices:")[2].partition("\nvolumes:")[0], re.MULTILINE)
    )
    assert services == {"node1", "node2", "node3", "balancer", "postgres", "objects"}
    assert set(re.findall(r"server (\w+):8081", text_of("deploy/several-nodes/nginx.conf"))) <= services
    volumes = set(re.findall(r"^  (\w+):$", text.partition("\nvolumes:")[2], re.MULTILINE))
    assert set(re.findall(r"^      - (\w+):/", text, re.MULTILINE)) == volumes


def test_unit_starts_a_command_that_exists() -> None:
    """The systemd unit's command line has flags that the program has."""
    used = invocations(text_of("deploy/goproxy-mirror.service"))
    assert used
    assert [(command, flag) for command, flag in used if flag not in flags_of(command)] == []


@pytest.mark.parametrize("uncommented", [False, True], ids=["as it is", "with its comments taken away"])
def test_example_of_the_settings_file_is_accepted(tmp_path: Path, uncommented: bool) -> None:
    """deploy/config.toml can be meant, and so can the lines in it that are commented out."""
    text = text_of("deploy/config.toml")
    if uncommented:
        text, count = re.subn(r'^# (?=\w+ = |\[\w+\]$|"[^"]+" = )', "", text, flags=re.MULTILINE)
        assert count
    file = tmp_path / "config.toml"
    file.write_text(text)
    loaded = load({"data": str(tmp_path)}, config=file, environ={})
    assert str(loaded.settings.listen) == ":8081"


def test_changelog_tells_of_this_version() -> None:
    """The newest section of the changelog is that of the package's version."""
    newest = re.search(r"^## \[([^\]]+)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__


def test_scripts_can_be_started() -> None:
    """Every script is executable and bash can read it."""
    scripts = [path for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"] if path.is_file()]
    assert [path.name for path in scripts if not os.access(path, os.X_OK)] == []
    for path in scripts:
        subprocess.run(["bash", "-n", str(path)], check=True)
