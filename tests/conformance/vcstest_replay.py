"""Replays the repository scripts that the Go toolchain's own tests use (cmd/go/testdata/vcstest/{git,hg}/*.txt).

The scripts are BSD-3-Clause, Copyright The Go Authors; they are read from an installed toolchain, not copied here.
Each makes the very commits that its own recorded log shows. They stand for
`https://vcs-test.golang.org/git/NAME`; vgotest1 also for `https://github.com/rsc/vgotest1`. The Mercurial ones
stand for `https://vcs-test.golang.org/hg/NAME`; vgotest1 is left out of those, since its commits differ at every run.

usage: python -m tests.conformance.vcstest_replay VCSTEST_FOLDER OUT
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def read_txtar(data: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """The comment and the named files of a text archive; every file ends with a newline unless it is empty."""
    parts = re.split(rb"(?m)^-- (.+?) --\s*?\n", data)
    files = []
    for name, content in zip(parts[1::2], parts[2::2], strict=True):
        whole = content if not content or content.endswith(b"\n") else content + b"\n"
        files.append((name.decode(), whole))
    return parts[0].decode(), files


def _words(line: str, env: dict[str, str]) -> list[str]:
    """A script line's words: single quotes group, a doubled quote inside stands for one, $NAME expands outside."""
    words: list[str] = []
    word: str | None = None
    position = 0

    def expand(text: str) -> str:
        return re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda m: env.get(m.group(1) or m.group(2), ""), text)

    while position < len(line):
        if line[position] in " \t":
            if word is not None:
                words.append(word)
            word = None
            position += 1
        elif line[position] == "#" and word is None:
            break
        elif line[position] == "'":
            quoted = re.compile(r"'((?:[^']|'')*)'").match(line, position)
            if quoted is None:
                raise ValueError(f"unclosed quote: {line}")
            word = (word or "") + quoted.group(1).replace("''", "'")
            position = quoted.end()
        else:
            plain = re.compile(r"[^' \t]+").match(line, position)
            assert plain is not None
            word = (word or "") + expand(plain.group())
            position = plain.end()
    if word is not None:
        words.append(word)
    return words


class _Script:
    def __init__(self, folder: Path, home: Path, programs: Path | None = None) -> None:
        self.folder = folder
        self.stdout = b""
        self.env = {
            "PATH": os.pathsep.join([*([str(programs)] if programs else []), os.environ["PATH"]]),
            "HOME": str(home),
            "USER": "gopher",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HGRCPATH": "",
        }

    def run(self, line: str) -> None:
        words = _words(line, self.env)
        if words and words[0].startswith("["):
            if words[0].startswith("[!"):  # the condition that a git without SHA-256 skips on
                return
            words = words[1:]
        may_fail = bool(words) and words[0] in {"!", "?"}
        if may_fail:
            words = words[1:]
        if not words or words[0] == "handle":
            return
        verb, rest = words[0], words[1:]
        if verb in {"git", "hg"}:
            program = shutil.which(verb, path=self.env["PATH"]) or verb
            done = subprocess.run(
                [program, *rest], cwd=self.folder, env=self.env, capture_output=True, check=False
            )
            self.stdout = done.stdout
            if done.returncode and not may_fail:
                raise RuntimeError(f"{self.folder.name}: {line}: {done.stderr.decode()}")
        else:
            getattr(self, f"do_{verb}")(*rest)

    def do_env(self, *pairs: str) -> None:
        for pair in pairs:
            name, _, value = pair.partition("=")
            self.env[name] = value

    def do_at(self, when: str) -> None:
        self.env["GIT_COMMITTER_DATE"] = self.env["GIT_AUTHOR_DATE"] = when

    def do_echo(self, *words: str) -> None:
        self.stdout = (" ".join(words) + "\n").encode()

    def do_unquote(self, text: str) -> None:
        self.stdout = str(ast.literal_eval(f'"{text}"')).encode()

    def do_cp(self, *paths: str) -> None:
        target = self.folder / paths[-1]
        for source in paths[:-1]:
            data = self.stdout if source == "stdout" else (self.folder / source).read_bytes()
            (target / Path(source).name if target.is_dir() else target).write_bytes(data)

    def do_mv(self, source: str, target: str) -> None:
        (self.folder / source).rename(self.folder / target)

    def do_rm(self, *paths: str) -> None:
        for path in paths:
            victim = self.folder / path
            if victim.is_dir():
                shutil.rmtree(victim)
            else:
                victim.unlink()

    def do_mkdir(self, *paths: str) -> None:
        for path in paths:
            (self.folder / path).mkdir(parents=True, exist_ok=True)

    def do_cd(self, path: str) -> None:
        self.folder /= path

    def do_cmp(self, _stdout: str, wanted: str) -> None:
        if self.stdout.strip() != (self.folder / wanted).read_bytes().strip():
            raise RuntimeError(f"{self.folder.name}: the replayed history is not the recorded one")


def replay(script: Path, out: Path, home: Path, programs: Path | None = None) -> None:
    """Make the repository `out/NAME` that a script describes; raises when its log is not the recorded one.

    `programs` is a folder in which programs are looked for first.
    """
    folder = out / script.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    comment, files = read_txtar(script.read_bytes())
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    runner = _Script(folder, home, programs)
    for line in comment.splitlines():
        runner.run(line)


def replay_all(vcstest: Path, out: Path) -> None:
    """Replay every git script of a vcstest folder into `out`."""
    home = out.parent / "home"
    home.mkdir(parents=True, exist_ok=True)
    for script in sorted((vcstest / "git").glob("*.txt")):
        replay(script, out, home)


def replay_mercurial(vcstest: Path, out: Path, programs: Path) -> None:
    """Replay the Mercurial scripts into `out`, with the `hg` in the folder `programs`."""
    home = out.parent / "home"
    home.mkdir(parents=True, exist_ok=True)
    for script in sorted((vcstest / "hg").glob("*.txt")):
        if script.stem != "vgotest1":
            replay(script, out, home, programs)


if __name__ == "__main__":
    replay_all(Path(sys.argv[1]), Path(sys.argv[2]))
