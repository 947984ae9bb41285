"""SSH addresses: `goproxy_mirror.module.sshaddress`."""

from __future__ import annotations

import pytest

from goproxy_mirror.module.sshaddress import SSHAddress, is_ssh


def test_parse__both_spellings() -> None:
    """Host, port and path are told apart; git gets the text as it was."""
    long = SSHAddress.parse("ssh://git@git.corp.example:2222/team/r.git")
    assert (long.user, long.host, long.port, long.path) == ("git", "git.corp.example", 2222, "/team/r.git")
    short = SSHAddress.parse("git@git.corp.example:team/r.git")
    assert (short.user, short.host, short.port, short.path) == ("git", "git.corp.example", 22, "team/r.git")
    assert short.text == "git@git.corp.example:team/r.git"


def test_shown__one_spelling_without_the_user() -> None:
    """Messages and records have the host and the path."""
    assert SSHAddress.parse("ssh://git@x.test:2222/r.git").shown == "ssh://x.test:2222/r.git"
    assert SSHAddress.parse("git@x.test:t/r.git").shown == "ssh://x.test/t/r.git"
    assert SSHAddress.parse("ssh://git@[::1]/r").shown == "ssh://[::1]/r"


def test_authority__always_has_the_port() -> None:
    """An SSH server is never taken for the web server of the same name."""
    assert SSHAddress.parse("git@x.test:r").authority == "x.test:22"
    assert SSHAddress.parse("ssh://git@[::1]:29/r").authority == "[::1]:29"


@pytest.mark.parametrize(
    "text",
    [
        "ssh://x.test/r", "ssh://-oProxyCommand=id@x.test/r", "ssh://git@-oProxyCommand=id/r", "git@-oProxyCommand=id:r",
        "-oProxyCommand=id@x.test:r", "ssh://git:pw@x.test/r", "ssh://git@x.test", "ssh://git@x.test:0/r",
        "ssh://git@x.test:70000/r", "ssh://git@x.test/a/../r", "git@x.test:../r", "git@x.test:-r", "git@x.test:/r",
        "git@x.test:a/-r", "ssh://git@x.test/r;id", "ssh://git@x.test/$(id)", "ssh://git@x.test/a b", "git@x.test:r\nx",
        "ssh://git@x.test/r'", "ssh://git@x.test/r`", "ssh://git@x.test/r\\x", "ssh://git@x.test/r?q", "ssh://git@x.test/r#f",
        "ssh://git@exämple.test/r", "ssh://git@x.test%20/r", "git+ssh://git@x.test/r", "ssh://git@@x.test/r", "",
        "SSH://git@x.test/r", "ssh://git@x.test/-r", "ssh://git@x.test./r",
    ],
)  # fmt: skip
def test_parse__what_is_no_address(text: str) -> None:
    """V30, V33, V36, V37: nothing that could be an option, a password, a command or another path."""
    with pytest.raises(ValueError, match="ssh://USER@HOST/PATH"):
        SSHAddress.parse(text)


def test_is_ssh__what_is_meant_as_one() -> None:
    """Also what is a bad one: it must not be taken for something else."""
    for text in ("ssh://x", "SSH://x", "git@x:r", "git+ssh://x", "-oX@x:r"):
        assert is_ssh(text)
    for text in ("https://x/r", "https://u@x/r", "/srv/r", "file:///srv/a@b:c", "./a@b:c", "x:r", "a/b@c:d"):
        assert not is_ssh(text)
