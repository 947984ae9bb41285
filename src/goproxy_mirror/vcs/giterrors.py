"""What git's complaints mean: whose word a failed command is.

Git has no error codes; its messages are matched in English (LC_ALL=C.UTF-8 is set). What nobody has foreseen
is an outage, never an absence.
"""

from __future__ import annotations

import re

from goproxy_mirror.errors import MirrorError, NoRepository, SourceUnavailable, Unreachable

_UNREACHABLE = re.compile(
    r"(?i)could not resolve (?:host|proxy)|failed to connect|couldn't connect|connection refused|"
    r"connection timed out|resolving timed out|network is unreachable|no route to host|"
    r"SSL certificate problem|certificate verification failed|handshake|SSL connect error|TLS connect error|"
    r"SSL_connect|SSL_ERROR_SYSCALL|no alternative certificate|from proxy after CONNECT|proxy CONNECT aborted|"
    r"CONNECT tunnel failed"
)
_ABSENT = re.compile(
    r"(?i)requested URL returned error: (?:404|410)|repository '[^']*' not found|repository not found|"
    r"does not appear to be a git repository|^fatal: '[^']*' does not exist"
)
_PRIVATE = re.compile(
    r"(?i)requested URL returned error: 401|authentication failed|could not read (?:username|password)|"
    r"terminal prompts disabled"
)
_REDIRECT = re.compile(r"requested URL returned error: 30\d|unable to update url base from redirection")
_STATUS = re.compile(r"requested URL returned error: (\d{3})")
_REFUSED = re.compile(r"transport '([a-z+]+)' not allowed")
_GONE = re.compile(r"couldn't find remote ref|no such remote ref")
_DAMAGED = re.compile(
    r"(?i)is corrupt|bad object|unable to read|loose object|not a git repository: |packfile .* cannot be|"
    r"invalid shallow line|shallow file has changed|index file .* is too small|not a valid object|"
    r"did not send all necessary objects|unable to parse|bad (?:tree|config|pack|shallow)|mismatched algorithms|"
    r"unable to create '[^']*\.lock'"
)

# What the other side said comes with this before it, and says nothing about our copy.
_THEIRS = re.compile(r"^remote: .*$", re.MULTILINE)

_REASONS = (
    (re.compile(r"(?i)could not resolve (?:host|proxy)"), "its host has no address"),
    (re.compile(r"(?i)certificate"), "its TLS certificate is not trusted"),
    (re.compile(r"(?i)handshake|SSL|TLS"), "its TLS handshake failed"),
    (re.compile(r"(?i)timed out"), "the connection timed out"),
    (re.compile(r"(?i)proxy|CONNECT tunnel"), "the forward proxy refused"),
)


def failure(stderr: bytes, *, url: str, host: str) -> MirrorError:
    """What a failed command that spoke with the remote means.

    `url` is shown and must be without credentials. Nothing of what git said is, since it may name local paths.
    """
    said = stderr.decode("utf-8", "replace")
    if _UNREACHABLE.search(said):
        reason = next((text for pattern, text in _REASONS if pattern.search(said)), "no connection")
        return Unreachable(f"the repository {url} could not be reached: {reason}", host=host, source=url)
    if _ABSENT.search(said):
        return NoRepository(f"there is no git repository at {url}", source=url)
    if _PRIVATE.search(said):
        message = f"there is no public git repository at {url}: it asks for a user name and password"
        return NoRepository(f"{message}. Check the path; a private repository needs credentials", source=url)
    status = _STATUS.search(said)
    if status is not None:
        return SourceUnavailable(f"the repository {url} answered with status {status[1]}", source=url)
    refused = _REFUSED.search(said)
    if refused is not None:
        return SourceUnavailable(f"the repository {url} led to the protocol {refused[1]}:", source=url)
    return SourceUnavailable(f"git could not read the repository {url}", source=url)


def is_redirect(stderr: bytes) -> bool:
    """Whether the server said that the repository has moved."""
    return _REDIRECT.search(stderr.decode("utf-8", "replace")) is not None


def is_gone(stderr: bytes) -> bool:
    """Whether the remote no longer has what was asked for by name."""
    return _GONE.search(stderr.decode("utf-8", "replace")) is not None


def is_damage(stderr: bytes) -> bool:
    """Whether our own copy may be damaged, so that a fresh one is worth a try."""
    return _DAMAGED.search(_THEIRS.sub("", stderr.decode("utf-8", "replace"))) is not None
