"""What git's complaints mean: `goproxy_mirror.vcs.giterrors`. The texts are git's own, 2.30 to 2.50, and curl's."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import MirrorError, NoRepository, SourceUnavailable, Unreachable
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
