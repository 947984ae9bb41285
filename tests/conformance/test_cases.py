"""Every conformance case that is a request, asked of the running server from outside.

One kind of case is not asked yet; `LATER` and `test_every_case_is_asked_or_named` name them with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.conformance.running import SUMS, running_server, toolchain_server
from tests.conformance.world import World, load
from tests.world.internet import Internet
from tests.world.mercurial import mercurial
from tests.world.modules import Modules
from tests.world.server import Answer, Server
from tests.world.upstream import Fault, Upstream
from tests.world.zips import contents, h1, mod_h1

pytestmark = pytest.mark.e2e

CASES: Mapping[int, Mapping[str, Any]] = {case["id"]: case for case in load("cases.json")}

LATER: Mapping[int, str] = {
    **dict.fromkeys(range(215, 222), "no request: what the checksum database's verifying client must refuse"),
}
"""Cases that are not asked yet, by number, with the reason."""

PUBLISHED = frozenset({177, 178, 179})
"""Cases about published modules: they need those, not stand-ins."""

MERCURIAL = frozenset(range(199, 203))
"""Cases about Mercurial repositories."""

TOOLCHAIN = 222
"""The case about a toolchain, which needs a database that has its record."""

Running = tuple[Server, Internet, Upstream]


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, conformance: World, modules: Modules, authority: trustme.CA
) -> Iterator[Running]:
    """One server for all cases."""
    with running_server(tmp_path_factory.mktemp("cases"), conformance, modules, authority) as running:
        yield running


def test_toolchain(tmp_path: Path, authority: trustme.CA) -> None:
    """The case about a toolchain: it is asked of a server whose database has the record."""
    case = CASES[TOOLCHAIN]
    with toolchain_server(tmp_path, authority) as server:
        answer = ask(server, case)
        assert answer.status in statuses(case["expect"]["status"]), answer.text[:500]
        check_text(case["expect"], answer)


@pytest.mark.parametrize("number", [each for each in CASES if each not in {*LATER, TOOLCHAIN}])
def test_case(number: int, running: Running, modules: Modules) -> None:
    """The server's answer is the one that the case expects."""
    if number in PUBLISHED and not modules.real:
        pytest.skip("needs the published modules, and no registry of Go modules can be reached")
    if number in MERCURIAL and isinstance(without := mercurial(), str):
        pytest.skip(without)
    case = CASES[number]
    server, internet, sums = running
    if number == 214:
        sums.break_with(Fault("status", status=503))
    try:
        answer = ask(server, case)
    finally:
        sums.mend()
    expected = case["expect"]
    also = expected.get("or")
    if also and answer.status == also["status"]:
        assert "+" not in json.loads(answer.body)["Version"]
        return
    assert answer.status in statuses(expected["status"]), answer.text[:500]
    assert answer.status not in expected.get("never", ())
    check_text(expected, answer)
    if "json" in expected or expected.get("valid_json"):
        check_info(expected, json.loads(answer.body))
    if case["request"].endswith(".zip") and answer.status == 200:
        check_zip(expected, answer, server, case["request"])
    if number == 198:
        assert any(each.startswith("GET proxy.test/p/x.test/both/@") for each in internet.requests)


def ask(server: Server, case: Mapping[str, Any]) -> Answer:
    """Send the case's request."""
    path = case["request"].split(" ")[0]
    if "after" in case["expect"]:
        assert server.get(path).status == 200
    return server.get(path, case.get("headers"), method=case.get("method", "GET"))


def statuses(expected: int | list[int] | str) -> list[int]:
    """The statuses that a case allows."""
    if isinstance(expected, str):
        return [404, 410]
    return [expected] if isinstance(expected, int) else expected


def check_text(expected: Mapping[str, Any], answer: Answer) -> None:
    """Bodies and headers of an answer."""
    if answer.status in {404, 410}:
        assert answer.headers["content-type"] in {"text/plain; charset=utf-8", "text/plain; charset=us-ascii"}
        assert answer.text.strip()
    if "body" in expected:
        assert answer.text == expected["body"]
        if "h1" in expected:
            assert mod_h1(answer.body) == expected["h1"]
    if "set" in expected:
        assert sorted(answer.text.split()) == sorted(expected["set"])
    if "bytes_equal" in expected:
        assert answer.body == (SUMS.parent / expected["bytes_equal"]).read_bytes()


def check_info(expected: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """The fields of a `.info`."""
    for dotted, value in expected.get("json", {}).items():
        if value is None:
            continue
        found: Any = info
        for name in dotted.split("."):
            found = found.get(name)
        assert found == value, dotted
    if "time_format" in expected:
        assert info["Time"].endswith("Z")


def check_zip(expected: Mapping[str, Any], answer: Answer, server: Server, request: str) -> None:
    """The hash and the order of a zip's files, and the hash of the `.mod` beside it."""
    if "h1" in expected:
        assert h1(answer.body) == expected["h1"]
    if "files_in_order" in expected:
        module, _, version = request.removesuffix(".zip").lstrip("/").partition("/@v/")
        prefix = f"{unescape(module)}@{unescape(version)}"
        assert list(contents(answer.body, prefix)) == expected["files_in_order"]
    if "mod_h1" in expected:
        assert mod_h1(server.get(request.removesuffix(".zip") + ".mod").body) == expected["mod_h1"]


def unescape(escaped: str) -> str:
    """A module path or version with its capitals."""
    first, *rest = escaped.split("!")
    return first + "".join(part[0].upper() + part[1:] for part in rest)


def test_every_case_is_asked_or_named() -> None:
    """Nothing is left out in silence: 182 cases, of which 175 are asked."""
    assert len(CASES) == 182
    assert set(LATER) <= set(CASES)
    assert len(set(CASES) - set(LATER)) == 175
    assert all(LATER.values())
