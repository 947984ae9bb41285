"""How git is started here: nobody's configuration but ours, the protocols of the moment, and a deadline.

Git reads configuration from the system, the user, the environment and the repository, and much of it names
programs to run. None of that is left: the environment is made from scratch, the "user's" file is ours, the
repositories are bare and were made by us, values come after `--end-of-options`, and what belongs to one command
(the URL, a pinned address) travels in the environment, where other users of the machine cannot read it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from goproxy_mirror.errors import NeedsTool
from goproxy_mirror.process import Completed, Limits, Runner, Running

MINIMUM = (2, 37)
"""The oldest git that is used: the first that connects to an address it is given (`http.curloptResolve`)."""

REMOTE = "--never-fetched-lazily"
"""The name of the remote, for behind `--end-of-options`.

git fetches files that it misses by itself, from a remote that promised them, and does not write `--end-of-options`
then. Before 2.44 nothing else stops it, and a server could make each such fetch start another one.
"""

_READ_SECONDS = 600.0
_VERSION = re.compile(rb"git version (\d+)\.(\d+)(?:\.(\d+))?")

# Nothing runs (hooks, monitors, filters, credential helpers, maintenance), nothing is asked of a person, and
# each fetch leaves one pack. Nothing that changes what an archive holds. The last two sections are for the side
# of git that serves a repository on a local path, where the wire costs nothing and compression does.
_CONFIGURATION = f"""\
[core]
	hooksPath = {os.devnull}
	attributesFile = {os.devnull}
	excludesFile = {os.devnull}
	fsmonitor = false
	askPass =
	packedGitWindowSize = 64m
	packedGitLimit = 1g
[credential]
	helper =
[protocol]
	allow = never
	version = 2
[transfer]
	bundleURI = false
	fsckObjects = false
[fetch]
	unpackLimit = 1
	recurseSubmodules = false
	showForcedUpdates = false
	writeCommitGraph = false
[submodule]
	recurse = false
[gc]
	auto = 0
[maintenance]
	auto = false
[http]
	followRedirects = false
	lowSpeedLimit = 100
	lowSpeedTime = 30
[init]
	defaultBranch = main
[safe]
	directory = *
[pack]
	window = 0
	depth = 0
	compression = 0
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
"""

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ASKPASS": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """Where git is to connect for one command.

    `url` holds no credentials, since git puts it into argument lists. `protocol` is the only one that git may speak.
    `pinned` is a value of `http.curloptResolve` (`host:port:address`), or None. `proxy` is the forward proxy that it has
    to go through, empty where it must go through none; None leaves that to the environment, of which git understands
    NO_PROXY in a way of its own. `follow` lets git follow the
    redirect of its first request. `authorization` is the value of a header for the URL's own host, `ssh` the command
    that reaches the host. With `promising` the remote is one that keeps for later what it leaves out:
    only then does git accept a pack with gaps.
    """

    url: str
    protocol: str
    pinned: str | None = None
    proxy: str | None = field(default=None, repr=False)
    follow: bool = False
    promising: bool = False
    authorization: str | None = field(default=None, repr=False)
    ssh: str | None = None

    def configuration(self) -> list[tuple[str, str]]:
        """The configuration of one command that speaks with this remote."""
        pairs = [(f"remote.{REMOTE}.url", self.url), (f"remote.{REMOTE}.tagOpt", "--no-tags")]
        if self.promising:
            pairs.append((f"remote.{REMOTE}.promisor", "true"))
            pairs.append((f"remote.{REMOTE}.partialCloneFilter", "blob:none"))
        if self.pinned is not None:
            pairs.append(("http.curloptResolve", self.pinned))
        if self.proxy is not None:
            pairs.append(("http.proxy", self.proxy))
        if self.authorization is not None:
            origin = urlsplit(self.url)
            key = f"http.{origin.scheme}://{origin.netloc}/.extraHeader"
            pairs.append((key, f"Authorization: {self.authorization}"))
        if self.follow:
            pairs.append(("http.followRedirects", "initial"))
        return pairs


class Git:
    """Runs git commands. `folder` is where the configuration file is kept; `limits` hold where a command has no others."""

    def __init__(self, runner: Runner, folder: Path, *, limits: Limits | None = None) -> None:
        self._runner = runner
        self._limits = limits
        configuration = folder / "gitconfig"
        if not configuration.is_file() or configuration.read_text() != _CONFIGURATION:
            written = folder / f"gitconfig.{os.getpid()}"
            written.write_text(_CONFIGURATION)
            written.replace(configuration)
        self._environment = {**_ENVIRONMENT, "GIT_CONFIG_GLOBAL": str(configuration)}
        if runner.ca_file is not None:
            self._environment["GIT_SSL_CAINFO"] = str(runner.ca_file)
        self._neutral = folder

    async def run(
        self,
        repository: Path | None,
        arguments: Sequence[str],
        *,
        remote: Remote | None = None,
        stdin: bytes = b"",
        timeout: float = _READ_SECONDS,
        output_limit: int = 1 << 20,
        limits: Limits | None = None,
        inherit: Sequence[int] = (),
    ) -> Completed:
        """Run `git ARGUMENTS` to its end in a bare repository, or outside of any.

        Without `remote` git may speak no protocol at all. Raises as `Runner.run`.
        """
        return await self._runner.run(
            ["git", *arguments],
            cwd=repository or self._neutral,
            env=self._variables(repository, remote),
            stdin=stdin,
            timeout=timeout,
            output_limit=output_limit,
            limits=limits or self._limits,
            inherit=inherit,
        )

    def stream(
        self,
        repository: Path | None,
        arguments: Sequence[str],
        *,
        remote: Remote | None = None,
        timeout: float = _READ_SECONDS,
        limits: Limits | None = None,
    ) -> AbstractAsyncContextManager[Running]:
        """The same as a running process, killed at the end of the block."""
        return self._runner.stream(
            ["git", *arguments],
            cwd=repository or self._neutral,
            env=self._variables(repository, remote),
            timeout=timeout,
            limits=limits or self._limits,
        )

    def _variables(self, repository: Path | None, remote: Remote | None) -> Mapping[str, str]:
        variables = dict(self._environment)
        if repository is None:
            # No repository is looked for above the folder, wherever the state folder may lie.
            variables["GIT_CEILING_DIRECTORIES"] = str(self._neutral.parent)
        else:
            variables["GIT_DIR"] = str(repository)
        if remote is not None:
            pairs = remote.configuration()
            variables["GIT_ALLOW_PROTOCOL"] = remote.protocol
            if remote.proxy is not None:
                variables |= {"NO_PROXY": "", "no_proxy": ""}
            if remote.ssh is not None:
                variables["GIT_SSH_COMMAND"] = remote.ssh
                variables["GIT_SSH_VARIANT"] = "ssh"
            variables["GIT_CONFIG_COUNT"] = str(len(pairs))
            for index, (key, value) in enumerate(pairs):
                variables[f"GIT_CONFIG_KEY_{index}"] = key
                variables[f"GIT_CONFIG_VALUE_{index}"] = value
        return variables


async def git_version(runner: Runner) -> tuple[int, ...]:
    """The version of the git that would be run, as (major, minor, patch). Raises `NeedsTool`."""
    done = await runner.run(["git", "version"], cwd=runner.home, timeout=30, output_limit=10_000)
    match = _VERSION.match(done.stdout)
    if match is None:
        raise NeedsTool("git is on the server but does not say which version it is")
    return tuple(int(part) for part in match.groups(b"0"))


async def check_git(runner: Runner) -> tuple[int, ...]:
    """The same, for the start of the program. Raises `NeedsTool` where git is missing or too old."""
    version = await git_version(runner)
    if version < MINIMUM:
        found, needed = (".".join(map(str, parts)) for parts in (version, MINIMUM))
        raise NeedsTool(f"git {found} is too old: {needed} or newer is needed")
    return version
