"""Tokens and passwords: `goproxy_mirror.credentials.basic`."""

from __future__ import annotations

import base64

import pytest

from goproxy_mirror.credentials.basic import SecretCredential
from goproxy_mirror.errors import SourceUnavailable


async def test_authorization__with_and_without_a_user() -> None:
    """Basic with a user, UTF-8 as RFC 7617 has it; Bearer without."""
    with_user = await SecretCredential("x.test", lambda: "pö:w", user="me").authorization()
    assert base64.b64decode(with_user.removeprefix("Basic ")).decode() == "me:pö:w"
    assert await SecretCredential("x.test", lambda: "tok", user=None).authorization() == "Bearer tok"


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "/secret/path"), ValueError("it is empty")]
)
async def test_authorization__a_file_that_cannot_be_read(error: Exception) -> None:
    """An outage that names the place it is for, and neither the path nor anything of the file."""

    def read() -> str:
        raise error

    with pytest.raises(SourceUnavailable, match=r"https://x\.test/ cannot be read from their file") as caught:
        await SecretCredential("https://x.test/", read, user=None).authorization()
    assert "/secret" not in caught.value.message
