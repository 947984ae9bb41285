"""The netrc file: `goproxy_mirror.credentials.netrc`."""

from __future__ import annotations

from goproxy_mirror.credentials.netrc import read_netrc


def entries(text: str) -> list[tuple[str, str, str]]:
    return [(login.machine, login.name, login.password) for login in read_netrc(text.encode())]


def test_read__as_the_go_command() -> None:
    """On one line or on several, words in between passed over, the first of two for a machine, macros left out."""
    text = """
machine one.test login alice password pw1
machine two.test
  login bob
  account x
  password pw2
machine one.test login other password pw9
machine incomplete.test login carol
machine late.test login dora password "quoted
macdef init
machine macro.test login m password m

machine after.test login eve password pw5
"""
    assert entries(text) == [
        ("one.test", "alice", "pw1"),
        ("two.test", "bob", "pw2"),
        ("late.test", "dora", '"quoted'),
        ("after.test", "eve", "pw5"),
    ]


def test_read__default_is_for_nobody() -> None:
    """A `default` would give a password to any host; like the go command, what is behind it does not count either."""
    assert entries(
        "machine a.test login a password p\ndefault login x password y\nmachine b.test login b password q"
    ) == [("a.test", "a", "p")]
    assert entries("default\nlogin x password y\n") == []


def test_read__port_and_path() -> None:
    """As for the go command, a machine may be narrower than a host; the narrowest comes first."""
    found = read_netrc(
        b"machine x.test login a password p machine x.test/team login b password q machine x.test:8443 login c password r"
    )
    assert [(each.prefix.port, each.prefix.path, each.name) for each in found] == [
        (443, "/team", "b"), (443, "/", "a"), (8443, "/", "c"),
    ]  # fmt: skip


def test_read__what_can_be_no_host() -> None:
    """Passed over; and nothing shows a password by accident."""
    assert entries("machine [x login a password p\nmachine a@b login a password p\n\x00\xff") == []
    assert "hunter2" not in repr(read_netrc(b"machine x.test login a password hunter2"))
