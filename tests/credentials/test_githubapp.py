"""GitHub Apps: `goproxy_mirror.credentials.githubapp`, against an API that checks what GitHub checks."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from goproxy_mirror.credentials.githubapp import AppCredential
from goproxy_mirror.errors import CredentialsRefused, SourceUnavailable
from goproxy_mirror.transport import AddressPolicy, Transport
from tests.world.githubapi import HOUR, START, AppAPI, new_key


@pytest.fixture(scope="module")
def keys() -> tuple[bytes, bytes]:
    """Two RSA keys in PEM."""
    return new_key(), new_key()


class Clock:
    """Seconds since the epoch, as the test has them."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport(policy=AddressPolicy(), user_agent="test")
    yield transport
    await transport.aclose()


@pytest.fixture
def api(keys: tuple[bytes, bytes]) -> Iterator[AppAPI]:
    """The API of a GitHub with one app and one installation."""
    with AppAPI(keys[0]) as api:
        yield api


@pytest.fixture
def app(
    api: AppAPI, keys: tuple[bytes, bytes], transport: Transport, tmp_path: Path
) -> Callable[..., AppCredential]:
    """Make the app's credential."""
    (tmp_path / "app.pem").write_bytes(keys[0])

    def make(clock: Clock | None = None, **settings: str) -> AppCredential:
        given = {"app": "12", "installation": "34", "api": api.url} | settings
        clock = clock or Clock()
        api.clock = clock
        return AppCredential(
            "https://github.com/corp/",
            **given,
            key_file=tmp_path / "app.pem",
            post=transport.post,
            clock=clock,
        )

    return make


def token_of(header: str) -> str:
    user, _, token = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    assert user == "x-access-token"
    return token


async def test_authorization__a_token_for_an_assertion(
    api: AppAPI, app: Callable[..., AppCredential]
) -> None:
    """A signed assertion buys a token; who asks meanwhile gets the same; it is used until shortly before its end."""
    clock = Clock()
    credential = app(clock)
    first = {
        token_of(header) for header in await asyncio.gather(*(credential.authorization() for _ in range(5)))
    }
    assert first == {"ghs_1"}
    clock.now += HOUR - 301
    assert token_of(await credential.authorization()) == "ghs_1"
    clock.now += 2
    assert token_of(await credential.authorization()) == "ghs_2"
    assert api.sold == 2
    assert api.requests[0] == "POST /app/installations/34/access_tokens"
    assert api.headers[0]["accept"] == "application/vnd.github+json"


async def test_refused__another_token_is_bought(api: AppAPI, app: Callable[..., AppCredential]) -> None:
    """A token that was taken back before its end is not used again."""
    credential = app()
    await credential.authorization()
    credential.refused()
    assert token_of(await credential.authorization()) == "ghs_2"


async def test_authorization__a_clock_that_is_wrong(api: AppAPI, app: Callable[..., AppCredential]) -> None:
    """Where tokens seem to have ended before they came, each is used for a minute all the same."""
    clock = Clock()
    credential = app(clock)
    api.life = -HOUR
    await credential.authorization()
    clock.now += 59
    await credential.authorization()
    assert api.sold == 1


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"app": "13"}, "check app_id, private_key_file"),
        ({"installation": "35"}, "check installation_id and api_url"),
    ],
)
async def test_authorization__wrong_settings(
    api: AppAPI, app: Callable[..., AppCredential], settings: dict[str, str], hint: str
) -> None:
    """What GitHub does not take is said with the settings to look at, and is no outage that passes."""
    with pytest.raises(CredentialsRefused, match=hint):
        await app(**settings).authorization()


async def test_authorization__another_key(
    api: AppAPI, app: Callable[..., AppCredential], keys: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """A wrong key is refused; once the file holds the right one, it is used."""
    credential = app()
    (tmp_path / "app.pem").write_bytes(keys[1])
    with pytest.raises(CredentialsRefused):
        await credential.authorization()
    (tmp_path / "app.pem").write_bytes(keys[0] + b"\n")
    assert token_of(await credential.authorization()) == "ghs_1"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops", {}), (201, b"<html>", {}), (201, b"[]", {}), (201, b'{"token": "ghs_x"}', {}),
        (201, b'{"token": "a\\nb", "expires_at": "2030-01-01T00:00:00Z"}', {}),
        (302, b"", {"Location": "https://elsewhere.test/"}), (403, b'{"message": "ghs_hunter2"}', {}),
    ],
)  # fmt: skip
async def test_authorization__an_api_that_fails(
    api: AppAPI, app: Callable[..., AppCredential], answer: tuple[int, bytes, dict[str, str]]
) -> None:
    """No redirect is followed, nothing but a token is taken for one, and nothing that was answered is repeated."""
    api.answers = lambda: answer
    with pytest.raises(SourceUnavailable) as caught:
        await app().authorization()
    assert "hunter2" not in caught.value.message
    assert len(api.requests) == 1


async def test_authorization__an_api_that_is_not_there(app: Callable[..., AppCredential]) -> None:
    """Not `Unreachable`: that would say that the repository's own host does not answer."""
    with pytest.raises(SourceUnavailable) as caught:
        await app(api="http://127.0.0.1:1").authorization()
    assert type(caught.value) is SourceUnavailable


@pytest.mark.parametrize(
    "pem", [b"", b"no key", b"-----BEGIN RSA PRIVATE KEY-----\naHVudGVyMg==\n-----END RSA PRIVATE KEY-----\n"]
)
async def test_authorization__no_key(app: Callable[..., AppCredential], tmp_path: Path, pem: bytes) -> None:
    """The message says what is wrong with the file, and nothing of it."""
    credential = app()
    (tmp_path / "app.pem").write_bytes(pem)
    with pytest.raises(SourceUnavailable, match="no RSA private key") as caught:
        await credential.authorization()
    assert "aHVudGVyMg" not in caught.value.message
