"""Errors as statuses, and as bodies that the go command prints."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror import errors
from goproxy_mirror.web.failures import error_body, failure_response, status_of
from goproxy_mirror.web.incoming import Refused
from tests.web.edge import Edge

STATUSES = {
    errors.BadRequest("x"): 400,
    errors.NotFound("x"): 404,
    errors.InvalidPath("x"): 404,
    errors.InvalidVersion("x"): 404,
    errors.Blocked("x"): 403,
    errors.SourceUnavailable("x"): 502,
    errors.Unreachable("x", host="h"): 502,
    errors.SourceTimeout("x"): 504,
    errors.Unbuildable("x"): 502,
    errors.NeedsTool("x"): 501,
    errors.Unproven("x"): 503,
    errors.NotRecorded("x"): 502,
    errors.Loop("x"): 508,
    errors.SecurityError("x"): 502,
    errors.StorageError("x"): 503,
    errors.StorageFull("x"): 507,
    errors.SettingError("x"): 500,
    errors.MirrorError("x"): 500,
    ValueError("x"): 500,
    Refused("x", status=413): 413,
}


def go_prints(body: bytes) -> str:
    """What the go command would show of an error body (cmd/go/internal/web); empty where it shows nothing."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return ""
    graphic = {"L", "M", "N", "P", "S", "Zs"}
    for c in text:
        category = unicodedata.category(c)
        if category not in graphic and category[0] not in graphic and c not in "\t\n\v\f\r \x85\xa0":
            return ""
    shown: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if not line.strip():
            break
        if number >= 8:
            return "\n".join([*shown, "[Truncated: too many lines.]"])
        if sum(len(each.encode()) + 2 for each in shown) + len(line.encode()) > 648:
            return "\n".join([*shown, "[Truncated: too long.]"])
        shown.append(line)
    return "\n".join(shown)


@pytest.mark.parametrize(("failure", "status"), STATUSES.items(), ids=[type(e).__name__ for e in STATUSES])
def test_statuses(failure: Exception, status: int) -> None:
    """Each class has its status; 404 is for absence alone, and nothing unforeseen is taken for one."""
    assert status_of(failure) == status


def test_every_class_has_a_status() -> None:
    """No class of the tree is left to the 500 of what nobody foresaw, and 404 is said by NotFound's family alone."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.MirrorError):
            status = status_of(kind.__new__(kind))
            assert (status == 500) == (kind in {errors.MirrorError, errors.SettingError}), kind
            assert (status == 404) == issubclass(kind, errors.NotFound), kind


def test_only_absence_is_kept() -> None:
    """A failure is never kept by anybody; an absence for a minute, unless it was only asked what is held."""
    for failure in STATUSES:
        if isinstance(failure, errors.MirrorError):
            cache = dict(failure_response(failure).headers)["cache-control"]
            assert cache == ("public, max-age=60" if isinstance(failure, errors.NotFound) else "no-store")
    assert dict(failure_response(errors.NotFound("x"), keep=False).headers)["cache-control"] == "no-store"


def test_body() -> None:
    """A message is printed as it is, line by line."""
    message = (
        "x.test/m@v1.0.0: no source could say\nhttps://a.test: timed out\n\n  https://b.test: 500 – später"
    )
    expected = (
        "x.test/m@v1.0.0: no source could say\nhttps://a.test: timed out\n  https://b.test: 500 – später"
    )
    assert error_body(message) == expected.encode() + b"\n"
    assert go_prints(error_body(message)) == expected


@pytest.mark.parametrize(
    "message", ["", "\n\n", "\x00\x1b[2J", "\ud800 alone", "a\u2028b", "\u202eabc", "日" * 5000, "x\n" * 50]
)
def test_body_is_printed(message: str) -> None:
    """Whatever a message is made of, the go command shows something."""
    assert go_prints(error_body(message))


@given(st.text(max_size=3000))
def test_any_body_is_printed_whole(message: str) -> None:
    """The go command cuts nothing off: we have done so ourselves, at a character's end."""
    body = error_body(message)
    assert len(body) <= 649  # with the last line's end
    assert go_prints(body) == body.decode().removesuffix("\n")


@pytest.mark.parametrize(
    "failure", [e for e in STATUSES if isinstance(e, errors.MirrorError)], ids=lambda e: type(e).__name__
)
def test_over_http(edge: Edge, failure: errors.MirrorError) -> None:
    """Each failure arrives with its status as plain text, for files, texts and databases alike."""
    edge.world.modules.failures["x.test/m/@v/v1.0.0.mod"] = failure
    edge.world.modules.failures["x.test/m/@v/list"] = failure
    edge.world.checksums.failures["sumdb/sum.golang.org/latest"] = failure
    for path in ("/x.test/m/@v/v1.0.0.mod", "/x.test/m/@v/list", "/sumdb/sum.golang.org/latest"):
        answer = edge.get(path)
        assert answer.status == STATUSES[failure]
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text == ("not found: x\n" if answer.status == 404 else "x\n")


def test_unforeseen(edge: Edge) -> None:
    """What nobody foresaw is 500 with a number and nothing else; the server goes on."""
    edge.world.modules.failures["x.test/m/@latest"] = ValueError("secret /home/x/key")
    edge.world.modules.failures["x.test/m/@v/list"] = RecursionError()
    for path in ("/x.test/m/@latest", "/x.test/m/@v/list"):
        answer = edge.get(path)
        assert (answer.status, answer.headers["cache-control"]) == (500, "no-store")
        assert answer.text.startswith("internal error; the server's log tells more under ")
        assert "secret" not in answer.text
    assert edge.get("/healthz").status == 200


def test_cancelled_work(edge: Edge) -> None:
    """Shared work that was cancelled is a failure for a client that is still there, and no empty answer."""
    import asyncio

    edge.world.modules.failures["x.test/m/@latest"] = asyncio.CancelledError()
    assert edge.get("/x.test/m/@latest").text.startswith("internal error")
