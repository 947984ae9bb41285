"""The memory of hosts that did not answer."""

from __future__ import annotations

from goproxy_mirror.transport import Hosts


def test_a_host_rests_for_a_while() -> None:
    """A host that did not answer rests until its time is over."""
    now = [0.0]
    hosts = Hosts(rest=60, clock=lambda: now[0])
    hosts.rest("x.test")
    now[0] = 59.9
    assert hosts.resting("x.test")
    assert not hosts.resting("y.test")
    now[0] = 60
    assert not hosts.resting("x.test")


def test_a_rest_is_not_lengthened() -> None:
    """Who asks a host that rests does not keep it from being asked when the time is over."""
    now = [0.0]
    hosts = Hosts(rest=60, clock=lambda: now[0])
    for now[0] in (0.0, 30.0, 59.0):
        hosts.rest("x.test")
    now[0] = 60
    assert not hosts.resting("x.test")


def test_an_answer_ends_the_rest() -> None:
    """A host that answers after all is not skipped."""
    hosts = Hosts()
    hosts.rest("x.test")
    hosts.answered("x.test")
    assert not hosts.resting("x.test")


def test_the_memory_is_bounded() -> None:
    """The oldest host is forgotten when there are too many."""
    hosts = Hosts(limit=2)
    for host in ("a.test", "b.test", "c.test"):
        hosts.rest(host)
    assert [hosts.resting(host) for host in ("a.test", "b.test", "c.test")] == [False, True, True]
