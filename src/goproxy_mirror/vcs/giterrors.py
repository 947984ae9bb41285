"""What git's complaints mean: whose word a failed command is.

Git has no error codes; its messages are matched in English (LC_ALL=C.UTF-8 is set). What nobody has foreseen
is an outage, never an absence.
"""

from __future__ import annotations

import re

from goproxy_mirror.errors import (
    CredentialsRefused,
    MirrorError,
    NeedsTool,
    NoRepository,
    SecurityError,
    SourceUnavailable,
    Unreachable,
)

_UNREACHABLE = re.compile(
    r"(?i)could not resolve (?:host|proxy)|failed to connect|couldn't connect|connection refused|"
    r"connection timed out|resolving timed out|network is unreachable|no route to host|"
    r"SSL certificate problem|certificate verification failed|handshake|SSL connect error|TLS connect error|"
    r"SSL_connect|SSL_ERROR_SYSCALL|no alternative certificate|from proxy after CONNECT|proxy CONNECT aborted|"
    r"CONNECT tunnel failed"
)
_ABSENT = re.compile(
    r"(?i)requested URL returned error: (?:404|410)|repository '[^']*' not found|repository not found|"
    r"does not appear to be a git repository|^fatal: '[^']*' does not exist|repository does not exist|"
    r"cannot find repository|project you were looking for could not be found"
)
_PRIVATE = re.compile(
    r"(?i)requested URL returned error: 401|authentication failed|could not read (?:username|password)|"
    r"terminal prompts disabled"
)
_KEY_REFUSED = re.compile(
    r"^(?:\S+: )?Permission denied \(|^Received disconnect .*Too many authentication failures|^sign_and_send_pubkey: ",
    re.MULTILINE,
)
_NO_SSH = re.compile(r"\bssh: (?:command )?not found|cannot run ssh\b|\bssh: No such file")
_HOST_UNKNOWN = re.compile(r"^Host key verification failed", re.MULTILINE)
_HOST_CHANGED = re.compile(
    r"REMOTE HOST IDENTIFICATION HAS CHANGED|^Host key for \S+ has changed", re.MULTILINE
)
_SSH_UNREACHABLE = re.compile(
    r"^ssh: connect to host |^ssh: Could not resolve hostname|^kex_exchange_identification: |^banner exchange: |"
    r"^Connection (?:closed|reset|timed out) ?(?:by|during)?",
    re.MULTILINE,
)
_REDIRECT = re.compile(r"requested URL returned error: 30\d|unable to update url base from redirection")
_STATUS = re.compile(r"requested URL returned error: (\d{3})")
_BROKEN = re.compile(
    r"(?i)early EOF|unexpected disconnect|reset by peer|hung up unexpectedly|empty reply from server|broken pipe|"
    r"transfer closed with|was not closed cleanly|unexpected eof while reading|recv (?:error|failure)"
)
_REFUSED = re.compile(r"transport '([a-z+]+)' not allowed")
_GONE = re.compile(r"couldn't find remote ref|no such remote ref")
_UNKNOWN_ID = re.compile(r"upload-pack: not our ref")
_DAMAGED = re.compile(
    r"(?i)is corrupt|bad object|unable to read|loose object|not a git repository: |packfile .* cannot be|"
    r"invalid shallow line|shallow file has changed|index file .* is too small|not a valid object|"
    r"did not send all necessary objects|unable to parse|bad (?:tree|config|pack|shallow)|mismatched algorithms|"
    r"unable to create '[^']*\.lock'"
)

_SETTINGS = "(settings credentials, netrc)"

_TOO_MUCH = re.compile(r"(?i)out of memory|died of signal|file too large|filesize limit")

_COMPLAINT = re.compile(r"^(?:fatal|error): (.*)$", re.MULTILINE)
_KILLED = "fetch-pack: invalid index-pack output"

# What the other side said comes with this before it, and says nothing about our copy.
_THEIRS = re.compile(r"^remote: .*$", re.MULTILINE)

_NOT_BROKEN = (
    *(_UNREACHABLE, _ABSENT, _PRIVATE, _STATUS, _GONE, _TOO_MUCH),
    *(_KEY_REFUSED, _NO_SSH, _HOST_UNKNOWN, _HOST_CHANGED, _SSH_UNREACHABLE),
)
"""What says more than that the connection ended, beside which git often complains of that too."""

_REASONS = (
    (re.compile(r"(?i)could not resolve (?:host|proxy)"), "its host has no address"),
    (re.compile(r"(?i)certificate"), "its TLS certificate is not trusted"),
    (re.compile(r"(?i)handshake|SSL|TLS"), "its TLS handshake failed"),
    (re.compile(r"(?i)timed out"), "the connection timed out"),
    (re.compile(r"(?i)proxy|CONNECT tunnel"), "the forward proxy refused"),
)


def failure(stderr: bytes, *, url: str, host: str, credential: str | None = None) -> MirrorError:
    """What a failed command that spoke with the remote means.

    `url` is shown and must be without credentials; `credential` names what was sent along, if anything was. Nothing of
    what git said is shown, since it may name local paths.
    """
    said = stderr.decode("utf-8", "replace")
    if _UNREACHABLE.search(said):
        reason = next((text for pattern, text in _REASONS if pattern.search(said)), "no connection")
        return Unreachable(f"the repository {url} could not be reached: {reason}", host=host, source=url)
    if _ABSENT.search(said):
        hint = f", or none that the credentials for {credential} open" if credential else ""
        return NoRepository(f"there is no git repository at {url}{hint}", source=url)
    if url.startswith("ssh:"):
        return _by_ssh(said, url, host)
    if _PRIVATE.search(said):
        if credential:
            return CredentialsRefused(
                f"the repository {url} did not take the credentials for {credential}: check them, they may have ended",
                source=url,
            )
        message = f"there is no public git repository at {url}: it asks for a user name and password. Check the path"
        return NoRepository(f"{message}; a private repository needs credentials {_SETTINGS}", source=url)
    status = _STATUS.search(said)
    if status is not None and status[1] == "403":
        if credential:
            return CredentialsRefused(
                f"the repository {url} answered with status 403: the credentials for {credential} do not open it",
                source=url,
            )
        message = f"the repository {url} answered with status 403"
        return SourceUnavailable(f"{message}; a private one needs credentials {_SETTINGS}", source=url)
    if status is not None:
        return SourceUnavailable(f"the repository {url} answered with status {status[1]}", source=url)
    refused = _REFUSED.search(said)
    if refused is not None:
        return SourceUnavailable(f"the repository {url} led to the protocol {refused[1]}:", source=url)
    return SourceUnavailable(f"git could not read the repository {url}", source=url)


def _by_ssh(said: str, url: str, host: str) -> MirrorError:
    """The same for the complaints of ssh."""
    if _NO_SSH.search(said):
        return NeedsTool(
            f"the repository {url} could not be read: ssh is needed and is not on the server", source=url
        )
    if _HOST_CHANGED.search(said):
        message = f"{host} has another host key than ssh_known_hosts has for it: perhaps it is somebody else"
        return SecurityError(f"the repository {url} was not asked: {message}", source=url)
    if _HOST_UNKNOWN.search(said):
        message = f"the host key of {host} is not in ssh_known_hosts"
        return SourceUnavailable(f"the repository {url} was not asked: {message}", source=url)
    if _KEY_REFUSED.search(said):
        message = f"{host} did not take the SSH key (settings ssh_key, ssh_agent, credentials)"
        return CredentialsRefused(f"the repository {url} could not be read: {message}", source=url)
    if _SSH_UNREACHABLE.search(said):
        return Unreachable(f"the repository {url} could not be reached: no connection", host=host, source=url)
    return SourceUnavailable(f"git could not read the repository {url}", source=url)


def is_refusal(stderr: bytes) -> bool:
    """Whether the remote did not take what was sent along."""
    return _PRIVATE.search(stderr.decode("utf-8", "replace")) is not None


def is_redirect(stderr: bytes) -> bool:
    """Whether the server said that the repository has moved."""
    return _REDIRECT.search(stderr.decode("utf-8", "replace")) is not None


def is_outage(stderr: bytes) -> bool:
    """Whether the remote was there and failed: by its status, or by a connection that broke."""
    status = _STATUS.search(stderr.decode("utf-8", "replace"))
    return status[1].startswith("5") if status is not None else is_broken(stderr)


def is_broken(stderr: bytes) -> bool:
    """Whether the connection broke in the middle, so that the same may be asked once more."""
    said = _THEIRS.sub("", stderr.decode("utf-8", "replace"))
    return _BROKEN.search(said) is not None and not any(other.search(said) for other in _NOT_BROKEN)


def is_unknown_id(stderr: bytes) -> bool:
    """Whether the remote does not have, or does not give, an object that was asked for by its id."""
    return _UNKNOWN_ID.search(stderr.decode("utf-8", "replace")) is not None


def is_gone(stderr: bytes) -> bool:
    """Whether the remote no longer has what was asked for by name."""
    return _GONE.search(stderr.decode("utf-8", "replace")) is not None


def is_damage(stderr: bytes) -> bool:
    """Whether our own copy may be damaged, so that a fresh one is worth a try."""
    return _DAMAGED.search(_THEIRS.sub("", stderr.decode("utf-8", "replace"))) is not None


def is_too_much(stderr: bytes) -> bool:
    """Whether git came to the limits that it runs under.

    What unpacks a fetch may be killed for it and say nothing; then this is all that git has to say.
    """
    said = _THEIRS.sub("", stderr.decode("utf-8", "replace"))
    return _TOO_MUCH.search(said) is not None or _COMPLAINT.findall(said) == [_KILLED]
