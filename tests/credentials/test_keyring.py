"""All credentials together: `goproxy_mirror.credentials.keyring`."""

from __future__ import annotations

import base64
from pathlib import Path

from goproxy_mirror.credentials.basic import SecretCredential
from goproxy_mirror.credentials.keyring import Keyring
from goproxy_mirror.credentials.prefix import Prefix


def secret(prefix: str, value: str) -> tuple[Prefix, SecretCredential]:
    return Prefix.parse(prefix), SecretCredential(prefix, lambda: value, user=None)


async def found(keyring: Keyring, url: str) -> str | None:
    credential = keyring.find(url)
    return None if credential is None else await credential.authorization()


async def test_find__the_longest_prefix(tmp_path: Path) -> None:
    """Of several the most particular counts; the netrc file only where nothing else is set."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine x.test login n password p machine y.test login n password p")
    keyring = Keyring(
        [
            secret("https://x.test/corp/", "corp"),
            secret("https://x.test/corp/r", "repo"),
            secret("https://x.test/z/", "z"),
        ],
        netrc=netrc,
    )
    assert await found(keyring, "https://x.test/corp/r.git") == "Bearer repo"
    assert await found(keyring, "https://x.test/corp/rr.git") == "Bearer corp"
    basic = "Basic " + base64.b64encode(b"n:p").decode()
    assert await found(keyring, "https://x.test/other") == basic
    assert await found(keyring, "https://y.test/") == basic
    for url in (
        "http://x.test/corp/r",
        "https://w.test/",
        "https://x.test:8443/corp/r",
        "ssh://git@x.test/corp/r",
        "/corp",
        "",
    ):
        assert keyring.find(url) is None


async def test_find__a_netrc_file_that_changes_and_goes(tmp_path: Path) -> None:
    """A new password counts at once; a file that cannot be read for a while takes nothing away."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine x.test login n password old")
    keyring = Keyring(netrc=netrc)
    before = await found(keyring, "https://x.test/")
    netrc.write_text("machine x.test login n password newer")
    after = await found(keyring, "https://x.test/")
    assert before != after
    netrc.unlink()
    assert await found(keyring, "https://x.test/") == after
    assert await found(keyring, "https://y.test/") is None


def test_find__of_nothing() -> None:
    """Without any setting there is nothing to find."""
    assert Keyring().find("https://x.test/") is None
    assert Keyring().by_ssh("https://x.test/") is None
