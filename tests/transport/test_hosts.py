"""What is known of hosts: who rests, who is tried again, who goes first, and when another is asked beside."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from goproxy_mirror import observe
from goproxy_mirror.ports import HostHealth
from goproxy_mirror.transport import Hosts

A, B = "a.test", "b.test"


@dataclass
class Clock:
    """A time that stands still until the test moves it."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Known:
    """Hosts, and the time they go by."""

    clock: Clock = field(default_factory=Clock)
    hosts: Hosts = field(init=False)

    def __post_init__(self) -> None:
        self.hosts = self.more()

    def more(self) -> Hosts:
        """Hosts of another process at the same time."""
        return Hosts(rest=60, clock=self.clock, wall=self.clock)

    def answers(self, host: str, seconds: float, times: int = 10) -> None:
        """Let the host answer some requests."""
        for _ in range(times):
            self.hosts.took(host, seconds)

    def fails(self, host: str, times: int) -> None:
        """Let the host fail some requests."""
        for _ in range(times):
            self.hosts.failed(host)

    def order(self, *hosts: str) -> str:
        """The order in which the hosts would be asked, those named earlier being preferred."""
        return " ".join(self.hosts.ranked(hosts, lambda host: host))


@pytest.fixture
def known() -> Known:
    return Known()


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


def test_no_rest_where_none_is_set() -> None:
    """With a rest of 0 nobody is ever left alone."""
    hosts = Hosts(rest=0)
    for _ in range(10):
        hosts.rest(A)
        hosts.failed(A)
        hosts.asked(A)
    assert not hosts.resting(A)


def test_failures_in_a_row_open_the_breaker(known: Known) -> None:
    """A host that is there and fails again and again is left alone; a connection alone does not end that."""
    known.fails(A, 4)
    assert not known.hosts.resting(A)
    known.hosts.failed(A)
    known.hosts.answered(A)
    assert known.hosts.resting(A)
    assert not known.hosts.silent(A)
    known.hosts.took(A, 0.1)
    assert not known.hosts.resting(A)


def test_mostly_failing_opens_the_breaker(known: Known) -> None:
    """So is one that fails most of many requests, though never many in a row."""
    for number in range(32):
        known.answers(A, 0.1, 1) if number % 4 == 3 else known.hosts.failed(A)
        known.answers(B, 0.1, 1) if number % 4 else known.hosts.failed(B)
    known.hosts.failed(A)
    assert known.hosts.resting(A)
    assert not known.hosts.resting(B)


def test_absences_are_no_failures(known: Known) -> None:
    """What a host answers is an answer, and it is in good health."""
    known.answers(A, 0.1, 50)
    (health,) = known.hosts.snapshot()
    assert (health.failures, health.requests) == (0, 50)


def test_one_trial_at_a_time(known: Known) -> None:
    """After the rest one request goes through, and nobody else until it has ended; its answer ends the rest for all."""
    known.hosts.rest(A)
    known.clock.now += 60
    assert not known.hosts.resting(A)
    known.hosts.asked(A)
    assert known.hosts.resting(A)
    assert not known.hosts.silent(A), "the trial itself must not be refused"
    known.hosts.took(A, 0.1)
    assert not known.hosts.resting(A)


def test_a_trial_that_says_nothing_is_followed_by_another(known: Known) -> None:
    """A trial that nobody hears of any more does not lock the host out."""
    known.hosts.rest(A)
    known.clock.now += 60
    known.hosts.asked(A)
    known.clock.now += 10
    assert not known.hosts.resting(A)


@pytest.mark.parametrize("failure", ["rest", "failed", "overtaken"])
def test_rests_grow_and_are_bounded(known: Known, failure: str) -> None:
    """Each trial that fails is followed by a longer rest, of five times the first at most; a success forgets that."""
    lengths = []
    known.hosts.rest(A)
    for _ in range(5):
        began = known.clock.now
        while known.hosts.resting(A):
            known.clock.now += 10
        lengths.append(known.clock.now - began)
        known.hosts.asked(A)
        known.hosts.overtaken(A, 3) if failure == "overtaken" else getattr(known.hosts, failure)(A)
    assert lengths == [60, 120, 240, 300, 300]
    known.hosts.took(A, 0.1)
    known.hosts.rest(A)
    known.clock.now += 60
    assert not known.hosts.resting(A)


def test_who_is_overtaken_again_and_again_rests(known: Known) -> None:
    """A host that keeps silent while others answer is left alone; one that answers in between is not."""
    for _ in range(5):
        known.hosts.overtaken(A, 0.5)
        known.hosts.overtaken(B, 0.5)
        known.hosts.took(B, 0.6)
    assert known.hosts.resting(A)
    assert not known.hosts.resting(B)


def test_forgiven(known: Known) -> None:
    """Where nobody else is left to ask, a host may be asked at once."""
    known.hosts.rest(A)
    known.hosts.forgive(A)
    assert not known.hosts.resting(A)


def test_the_preferred_goes_first(known: Known) -> None:
    """Without much difference the operator's order holds, and so it does where nothing is known."""
    assert known.order(A, B) == "a.test b.test"
    known.answers(A, 0.3)
    assert known.order(A, B) == "a.test b.test"
    known.answers(B, 0.2)
    assert known.order(A, B) == "a.test b.test"
    known.answers(A, 0.030)
    known.answers(B, 0.001)
    assert known.order(A, B) == "a.test b.test", "four times as quick is nothing within some milliseconds"


def test_a_clearly_better_one_goes_first(known: Known) -> None:
    """One that is much quicker goes before the preferred one, and so does one that does not fail."""
    known.answers(A, 0.9)
    known.answers(B, 0.2)
    assert known.order(A, B) == "b.test a.test"
    assert known.order("c.test", A, B) == "c.test b.test a.test"
    known.fails("c.test", 3)
    assert known.order("c.test", A, B, "d.test") == "b.test a.test d.test c.test"


def test_who_rests_goes_last(known: Known) -> None:
    """However quick it was."""
    known.answers(A, 0.1)
    known.hosts.rest(A)
    assert known.order(A, B, "c.test") == "b.test c.test a.test"


def test_what_is_on_no_host_keeps_its_place(known: Known) -> None:
    """A folder of this machine is neither overtaken nor moved."""
    known.answers(A, 0.9)
    known.answers(B, 0.1)
    hosts = {"a": A, "folder": None, "b": B}
    assert known.hosts.ranked(hosts, hosts.get) == ["a", "folder", "b"]


def test_the_order_does_not_flap(known: Known) -> None:
    """Once the order has turned, it turns back only when the difference is gone."""
    known.answers(A, 0.45, 20)
    known.answers(B, 0.25, 20)
    assert known.order(A, B) == "a.test b.test"
    known.answers(A, 0.9, 20)
    assert known.order(A, B) == "b.test a.test"
    known.answers(A, 0.45, 20)
    assert known.order(A, B) == "b.test a.test"
    known.answers(A, 0.26, 20)
    assert known.order(A, B) == "a.test b.test"


@pytest.mark.parametrize("failing", [True, False])
def test_bad_days_fade(known: Known, failing: bool) -> None:
    """The preferred one, slow or failing then, gets its chance after some time of not being asked."""
    if failing:
        known.fails(A, 4)
    else:
        known.answers(A, 0.9)
    known.answers(B, 0.2)
    assert known.order(A, B) == "b.test a.test"
    known.clock.now += 3600
    known.answers(B, 0.2)
    assert known.order(A, B) == "a.test b.test"


def test_patience(known: Known) -> None:
    """A host is late after the 95th percentile of its own last answers, within bounds; 3 s where it is not known."""
    assert known.hosts.patience(A) == 3
    known.answers(A, 0.001, 7)
    assert known.hosts.patience(A) == 3
    known.answers(A, 0.001, 50)
    assert known.hosts.patience(A) == 0.3
    known.answers(A, 2, 2)
    assert known.hosts.patience(A) == 2
    known.answers(A, 40, 50)
    assert known.hosts.patience(A) == 10


def test_what_was_not_waited_for_is_no_percentile(known: Known) -> None:
    """A host that hangs is not given more and more time, but it counts as slow."""
    known.answers(A, 0.1)
    known.answers(B, 0.1)
    for _ in range(4):
        known.hosts.overtaken(A, 3)
    assert known.hosts.patience(A) == 0.3
    assert known.order(A, B) == "b.test a.test"


def test_extra_requests_are_counted(known: Known) -> None:
    """Some at once, and one for ten requests on the whole."""
    assert sum(known.hosts.may_hedge(A) for _ in range(50)) == 10
    extra = 0
    for _ in range(100):
        known.hosts.asked(A)
        extra += known.hosts.may_hedge(A)
    assert 9 <= extra <= 10
    assert known.hosts.may_hedge(B), "of one host, not of all"


def test_health_survives_a_restart(known: Known) -> None:
    """What was learnt is known to the next process: order, patience, and that it is old."""
    known.answers(A, 0.9)
    known.answers(B, 0.2)
    known.hosts.failed(B)
    kept = known.hosts.snapshot()
    assert {health.host for health in kept} == {A, B}
    known.hosts = known.more()
    known.hosts.restore(kept)
    assert known.order(A, B) == "b.test a.test"
    assert known.hosts.patience(A) == 0.9
    assert known.hosts.snapshot() == [], "what nobody has asked since may be old news"
    known.hosts.took(A, 0.9)
    (again,) = known.hosts.snapshot()
    assert (again.host, again.requests, again.slow) == (A, 11, 0.9)
    known.clock.now += 2 * 86400
    assert known.order(A, B) == "a.test b.test"
    assert known.hosts.patience(A) == 3


def test_what_is_learnt_stays(known: Known) -> None:
    """What this process knows by itself is not replaced by what was kept."""
    known.answers(A, 0.1)
    known.hosts.restore([HostHealth(A, 9, 9, 0.9, 100, known.clock.now)])
    assert known.hosts.snapshot()[0].seconds == pytest.approx(0.1)


def test_a_new_answer_outweighs_an_old_one(known: Known) -> None:
    """The longer ago the last answer was, the more the next one says."""
    known.answers(A, 1)
    known.hosts.took(A, 2)
    assert known.hosts.snapshot()[0].seconds == pytest.approx(1.2)
    known.clock.now += 86400
    known.hosts.took(A, 0.1)
    assert known.hosts.snapshot()[0].seconds == pytest.approx(0.1, rel=0.01)


def test_what_nobody_asked_for_is_not_held_against_a_host(known: Known) -> None:
    """What fails while files are fetched ahead makes no host rest, and is nobody's trial; an answer counts all the same."""
    known.fails(B, 10)
    assert known.hosts.resting(B), "the control"
    token = observe.unasked.set(True)
    try:
        known.fails(A, 10)
        known.hosts.rest(A)
        for _ in range(10):
            known.hosts.overtaken(A, 5.0)
        assert not known.hosts.resting(A)
        known.clock.now += 61
        known.hosts.asked(B)
        assert not known.hosts.resting(B), "the next real request tries it"
        known.answers(B, 0.1)
    finally:
        observe.unasked.reset(token)
    known.fails(B, 1)
    assert not known.hosts.resting(B)
