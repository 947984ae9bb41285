"""What git's complaints mean: `goproxy_mirror.vcs.giterrors`. The texts are git's own, 2.30 to 2.50, and curl's."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import (
    CredentialsRefused,
    MirrorError,
    NeedsTool,
    NoRepository,
    SecurityError,
    SourceUnavailable,
    Unreachable,
)
from goproxy_mirror.vcs import giterrors

URL = "https://x.test/r"
AT = f"fatal: unable to access '{URL}/': "


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (AT + "Could not resolve host: x.test", Unreachable, "no address"),
        (AT + "Failed to connect to x.test port 443 after 2 ms: Couldn't connect to server", Unreachable, "no connection"),
        (AT + "Failed to connect to x.test port 443: Connection refused", Unreachable, "no connection"),
        (AT + "Failed to connect to x.test port 443 after 130000 ms: Connection timed out", Unreachable, "timed out"),
        (AT + "server certificate verification failed. CAfile: none CRLfile: none", Unreachable, "certificate"),
        (AT + "SSL certificate problem: unable to get local issuer certificate", Unreachable, "certificate"),
        (AT + "gnutls_handshake() failed: The TLS connection was non-properly terminated.", Unreachable, "handshake"),
        (AT + "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to x.test:443", Unreachable, "handshake"),
        (AT + "Received HTTP code 502 from proxy after CONNECT", Unreachable, "proxy"),
        (AT + "CONNECT tunnel failed, response 403", Unreachable, "proxy"),
        (AT + "The requested URL returned error: 404", NoRepository, "no git repository"),
        (AT + "The requested URL returned error: 410", NoRepository, "no git repository"),
        (f"fatal: repository '{URL}/' not found", NoRepository, "no git repository"),
        ("remote: Repository not found.\nfatal: repository '" + URL + "/' not found", NoRepository, "no git repository"),
        ("fatal: '/srv/none' does not appear to be a git repository", NoRepository, "no git repository"),
        ("fatal: could not read Username for 'https://x.test': terminal prompts disabled", NoRepository, "credentials"),
        (f"fatal: Authentication failed for '{URL}/'", NoRepository, "credentials"),
        (AT + "The requested URL returned error: 403", SourceUnavailable, "status 403"),
        (AT + "The requested URL returned error: 429", SourceUnavailable, "status 429"),
        (AT + "The requested URL returned error: 500", SourceUnavailable, "status 500"),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503", SourceUnavailable, "status 503"),
        ("fatal: transport 'ext' not allowed", SourceUnavailable, "protocol ext:"),
        ("error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF",
         SourceUnavailable, "could not read"),
        ("fatal: the remote end hung up unexpectedly", SourceUnavailable, "could not read"),
        ("fatal: protocol error: bad line length character: <htm", SourceUnavailable, "could not read"),
        ("fatal: Out of memory, malloc failed", SourceUnavailable, "could not read"),
        ("", SourceUnavailable, "could not read"),
        ("\xff\xfe", SourceUnavailable, "could not read"),
    ],
)  # fmt: skip
def test_failure__whose_word_it_is(said: str, kind: type[MirrorError], text: str) -> None:
    """Absence only where the other side said so; the host where it did not answer; else an outage."""
    found = giterrors.failure(said.encode("latin-1"), url=URL, host="x.test")
    assert type(found) is kind
    assert text in found.message
    assert found.source == URL
    if isinstance(found, Unreachable):
        assert found.host == "x.test"


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (AT + "The requested URL returned error: 401", CredentialsRefused, "did not take the credentials for https://x.test/"),
        (f"remote: Invalid username or password.\nfatal: Authentication failed for '{URL}/'", CredentialsRefused, "may have ended"),
        ("fatal: could not read Username for 'https://x.test': terminal prompts disabled", CredentialsRefused, "did not take"),
        (AT + "The requested URL returned error: 403", CredentialsRefused, "the credentials for https://x.test/ do not open it"),
        (AT + "The requested URL returned error: 404", NoRepository, "or none that the credentials for https://x.test/ open"),
        (AT + "The requested URL returned error: 500", SourceUnavailable, "status 500"),
        (AT + "Could not resolve host: x.test", Unreachable, "no address"),
    ],
)  # fmt: skip
def test_failure__with_credentials(said: str, kind: type[MirrorError], text: str) -> None:
    """A credential that was not taken is no absence, and is named by the place that it is set for."""
    found = giterrors.failure(said.encode(), url=URL, host="x.test", credential="https://x.test/")
    assert type(found) is kind
    assert text in found.message


SSH_URL = "ssh://x.test/r"
LOST = (
    "\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights"
)


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ("sh: 1: ssh: not found", NeedsTool, "ssh is needed"),
        ("git: line 1: ssh: command not found", NeedsTool, "ssh is needed"),
        ("error: cannot run ssh: No such file or directory\nfatal: unable to fork", NeedsTool, "ssh is needed"),
        ("git@x.test: Permission denied (publickey).", CredentialsRefused, "did not take the SSH key"),
        ("Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures", CredentialsRefused, "SSH key"),
        ("No ED25519 host key is known for x.test and you have requested strict checking.\nHost key verification failed.",
         SourceUnavailable, "not in ssh_known_hosts"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", SecurityError, "another host key"),
        ("ssh: connect to host x.test port 22: Connection refused", Unreachable, "no connection"),
        ("ssh: connect to host x.test port 22: No route to host", Unreachable, "no connection"),
        ("ssh: Could not resolve hostname x.test: Name or service not known", Unreachable, "no address"),
        ("kex_exchange_identification: Connection closed by remote host\nConnection closed by 192.0.2.1 port 22",
         Unreachable, "no connection"),
        ("Connection reset by 192.0.2.1 port 22", Unreachable, "no connection"),
        ("ERROR: Repository not found.", NoRepository, "no git repository"),
        ("remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.",
         NoRepository, "no git repository"),
        ("Gitea: Repository does not exist", NoRepository, "no git repository"),
        ("fatal: '/srv/r' does not appear to be a git repository", NoRepository, "no git repository"),
        ('Load key "/k": error in libcrypto', SourceUnavailable, "could not read"),
    ],
)  # fmt: skip
def test_failure__of_ssh(said: str, kind: type[MirrorError], text: str) -> None:
    """What ssh and the servers behind it say; a host with another key than it should have is a matter of security."""
    found = giterrors.failure((said + LOST).encode(), url=SSH_URL, host="x.test:22")
    assert type(found) is kind
    assert text in found.message
    if isinstance(found, Unreachable):
        assert found.host == "x.test:22"


def test_failure__nothing_of_what_git_said_gets_out() -> None:
    """Local paths and credentials that stand in git's messages stay here."""
    said = b"fatal: '/srv/state/secret' foo https://user:hush@x.test/r error: 404"
    assert "secret" not in giterrors.failure(said, url=URL, host="x").message
    assert "hush" not in giterrors.failure(said, url=URL, host="x").message


@pytest.mark.parametrize(
    ("said", "damage"),
    [
        ("fatal: loose object 12 (stored in objects/12) is corrupt", True),
        ("error: packfile objects/pack/p.pack cannot be accessed", True),
        ("fatal: bad object 1234", True),
        ("fatal: invalid shallow line: x", True),
        ("fatal: not a git repository: '/srv/state/r.git'", True),
        ("fatal: mismatched algorithms: client sha1; server sha256", True),
        ("fatal: Unable to create '/srv/state/r.git/shallow.lock': File exists.", True),
        ("remote: fatal: bad object 1234\nfatal: early EOF", False),
        (AT + "The requested URL returned error: 500", False),
        (AT + "Could not resolve host: x.test", False),
    ],
)
def test_is_damage__ours_not_theirs(said: str, damage: bool) -> None:
    """Only what git says about our own copy makes that be fetched anew."""
    assert giterrors.is_damage(said.encode()) is damage


def test_is_redirect_and_is_gone() -> None:
    """A server that has moved, and a ref that is no longer there, are told apart from failures."""
    assert giterrors.is_redirect((AT + "The requested URL returned error: 301").encode())
    assert not giterrors.is_redirect((AT + "The requested URL returned error: 401").encode())
    assert giterrors.is_gone(b"fatal: couldn't find remote ref refs/tags/v1.0.0")
    assert not giterrors.is_gone(b"fatal: upload-pack: not our ref 1234")


@pytest.mark.parametrize(
    ("said", "too_much"),
    [
        ("fatal: fetch-pack: invalid index-pack output\n", True),
        ("warning: x\nfatal: fetch-pack: invalid index-pack output\n", True),
        ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n", False),
        ("error: index-pack died of signal 25\nfatal: early EOF\n", True),
        ("fatal: Out of memory, malloc failed\n", True),
        ("remote: fatal: Out of memory, malloc failed\n", False),
        ("fatal: could not parse\n", False),
    ],
)
def test_is_too_much__our_limits(said: str, too_much: bool) -> None:
    """What was killed by a limit says so, or says nothing at all, so that git has no more to say than that."""
    assert giterrors.is_too_much(said.encode()) is too_much


def test_is_unknown_id() -> None:
    """An object that the remote does not give is told apart from a name that is gone."""
    assert giterrors.is_unknown_id(b"fatal: remote error: upload-pack: not our ref 1234")
    assert not giterrors.is_unknown_id(b"fatal: couldn't find remote ref refs/tags/v1.0.0")
