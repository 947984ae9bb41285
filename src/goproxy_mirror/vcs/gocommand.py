"""The go command in direct mode, on its own: it keeps everything in one folder, and asks nobody but a repository."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from goproxy_mirror.errors import MirrorError, SourceUnavailable
from goproxy_mirror.ports import RepoRoot
from goproxy_mirror.process import Limits, Runner
from goproxy_mirror.transport import Gate, Transport
from goproxy_mirror.vcs.hosts import static_root

_OUTPUT_LIMIT = 64 << 20
_LIMITS = Limits(memory=4 << 30, file_size=8 << 30)

# Nothing of anybody's runs, and no other place is asked than the repository: no bundles that it names, no
# repositories below it, no ssh. `always`, since hg goes past a proxy to this very machine otherwise.
_HGRC = """\
[ui]
interactive = no
ssh = false
clonebundles = no
[subrepos]
allowed = no
[http]
timeout = 60
[http_proxy]
always = yes
"""


@dataclass(frozen=True, slots=True)
class GoAnswer:
    """What the go command said of one module: a JSON object of `go list -m` or `go mod download`.

    `blocked` is what kept it from connecting, if anything did.
    """

    value: Mapping[str, Any]
    blocked: MirrorError | None = None

    @property
    def version(self) -> str:
        """The version that was found; what was asked for where there is an error."""
        return str(self.value.get("Version", ""))

    @property
    def error(self) -> str:
        """What went wrong, in the go command's words, or nothing."""
        error = self.value.get("Error") or ""
        return str(error.get("Err", "")) if isinstance(error, dict) else str(error)

    @property
    def commit(self) -> str:
        """The id of the commit that was looked at: proof that the repository was read."""
        return str((self.value.get("Origin") or {}).get("Hash", ""))

    def file(self, kind: str) -> Path | None:
        """The file that it made: `Info`, `GoMod` or `Zip`."""
        name = self.value.get(kind)
        return Path(name) if name else None


class GoCommand:
    """Asks about the modules of one repository. What it fetched stays in `folder`, so that the next question costs less.

    `also` is added to its environment.
    """

    def __init__(
        self,
        folder: Path,
        runner: Runner,
        transport: Transport,
        root: RepoRoot,
        also: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._runner = runner
        self._transport = transport
        self._root = root
        self._also = dict(also or {})

    async def ask(self, *arguments: str, timeout: float) -> GoAnswer:
        """Run `go ARGUMENTS`, which print one JSON object.

        The go command would look for the repository itself. It is told instead: its question for a page is answered by
        the gate, which also has every connection of the version control system vetted and pinned. So nothing that it
        starts reaches an address that is not allowed, redirects and second looks at the name server included.
        Raises `SourceTimeout`, `NeedsTool`, and `SourceUnavailable` where it says nothing that can be understood.
        """
        async with self._transport.gate(_page(self._root)) as gate:
            done = await self._runner.run(
                ["go", *arguments],
                cwd=self.folder,
                env=self._environment(gate),
                timeout=timeout,
                output_limit=_OUTPUT_LIMIT,
                limits=_LIMITS,
            )
        try:
            values = json_values(done.stdout.decode("utf-8", "replace"))
        except ValueError:
            values = []
        if len(values) != 1 or not isinstance(values[0], dict):
            if gate.failure is not None:
                raise gate.failure
            raise SourceUnavailable(
                f"the go command could not be used for the repository {self._root.url}", source=self._root.url
            )
        return GoAnswer(values[0], gate.failure)

    def _environment(self, gate: Gate) -> Mapping[str, str]:
        """The go command reads the names in capitals first, hg and fossil know those in small letters alone."""
        return {
            **direct_environment(self.folder),
            **_settings_of(self._root.vcs, self.folder, gate, self._runner.ca_file),
            "GOVCS": f"*:{self._root.vcs}",
            # Lets it take the gate's page, which comes over plain http. A path that needs no page needs no leave.
            "GOINSECURE": "" if static_root(self._root.root) else self._root.root,
            **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), gate.page_url),
            **dict.fromkeys(("https_proxy", "http_proxy"), gate.tunnel_url),
            **dict.fromkeys(("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"), ""),
            **self._also,
        }


def direct_environment(folder: Path) -> dict[str, str]:
    """Settings for a go command in direct mode that keeps all it writes in `folder`, and verifies nothing."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "TMPDIR": str(temporary),
        "GOPATH": str(folder / "gopath"),
        "GOMODCACHE": str(folder / "modcache"),
        "GOCACHE": str(folder / "build"),
        "GOENV": "off",
        "GOAUTH": "off",
        "GOFLAGS": "-modcacherw",
        "GO111MODULE": "on",
        "GOWORK": "off",
        "GOPROXY": "direct",
        "GOPRIVATE": "",
        "GONOPROXY": "",
        "GOSUMDB": "off",
        "GONOSUMDB": "",
        "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off",
    }


def git_instead(folder: Path, instead: Mapping[str, str], *, proxy: str = "") -> dict[str, str]:
    """What makes git use another URL for each of these, a forward proxy or none, and nobody's configuration.

    For a go command whose files are in `folder`.
    """
    config = folder / "gitconfig"
    sections = [f'[url "{_quoted(real)}"]\n\tinsteadOf = "{_quoted(url)}"\n' for url, real in instead.items()]
    sections.append(f'[safe]\n\tdirectory = *\n[http]\n\tproxy = "{_quoted(proxy)}"\n')
    config.write_text("".join(sections))
    return {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:http:https",
    }


def json_values(text: str) -> list[Any]:
    """The JSON values that a go command printed one after the other. Raises ValueError."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
        else:
            value, position = decoder.raw_decode(text, position)
            values.append(value)
    return values


def cached(folder: Path, escaped: Sequence[str], ending: str) -> Path:
    """Where a go command with `direct_environment` keeps a file of a module's (escaped) path and version."""
    path, version = escaped
    return folder / "modcache" / "cache" / "download" / path / "@v" / f"{version}{ending}"


def _page(root: RepoRoot) -> bytes:
    content = " ".join(part for part in (root.root, root.vcs, root.url, root.subdir) if part)
    meta = f'<meta name="go-import" content="{escape(content)}">'
    return f"<!DOCTYPE html><html><head>{meta}</head><body></body></html>\n".encode()


def _settings_of(vcs: str, folder: Path, gate: Gate, ca_file: Path | None) -> Mapping[str, str]:
    """The configuration of a version control system, and the variables that name it; nobody's own is read."""
    if vcs == "hg":
        hgrc = folder / "hgrc"
        hgrc.write_text(_HGRC + (f"[web]\ncacerts = {ca_file}\n" if ca_file else ""))
        return {"HGRCPATH": str(hgrc), "HGPLAIN": "+strictflags"}
    if vcs == "svn":
        servers = folder / ".subversion" / "servers"
        servers.parent.mkdir(exist_ok=True)
        lines = [
            "[global]",
            f"http-proxy-host = {gate.host}",
            f"http-proxy-port = {gate.port}",
            f"http-proxy-username = {gate.user}",
            f"http-proxy-password = {gate.secret}",
            *([f"ssl-authority-files = {ca_file}"] if ca_file else []),
        ]
        servers.write_text("\n".join([*lines, ""]))
    if vcs == "fossil":
        # It names the owner of the copy so, and makes none without a name; the server never hears of it.
        return {"FOSSIL_USER": "nobody"}
    return {}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
