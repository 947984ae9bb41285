"""Hosts where no page may lead, by the ids they have in the list of bad inputs, and how they are asked for."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from tests.vcs.gitkit import Repo
from tests.world.internet import Internet
from tests.world.server import Answer, Server
from tests.world.store import published_files

HONEST = "pub.test/honest"
ROOM = "/@v/list"


@dataclass(frozen=True)
class Host:
    """`written` is how a URL has it; `at` is where connections would end, nowhere for a host that no machine can be."""

    written: str
    at: Set[str]


HOSTS = {
    "V01": Host("127.0.0.1", {"127.0.0.1"}),
    "V02": Host("127.1", {"127.0.0.1"}),
    "V03": Host("0x7f000001", {"127.0.0.1"}),
    "V04": Host("2130706433", {"127.0.0.1"}),
    "V05": Host("0177.0.0.1", {"127.0.0.1"}),
    "V06": Host("[::1]", {"::1"}),
    "V07": Host("[::ffff:127.0.0.1]", {"127.0.0.1"}),
    "V08": Host("[64:ff9b::7f00:1]", {"64:ff9b::7f00:1"}),
    "V09": Host("[2002:7f00:1::]", {"2002:7f00:1::"}),
    "V10": Host("169.254.169.254", {"169.254.169.254"}),
    "V11": Host("[fd00:ec2::254]", {"fd00:ec2::254"}),
    "V12": Host("100.64.0.1", {"100.64.0.1"}),
    "V13": Host("0.0.0.0", {"127.0.0.1"}),
    "V14": Host("224.0.0.1", set()),
    "V15": Host("localhost.", {"127.0.0.1"}),
}

OPENED = tuple(
    argument
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "::1",
        "fd00::/8",
    )
    for argument in ("--allow-address", each)
)
"""Flags that permit all of these but V14: for positive controls."""


def lead_to(internet: Internet, way: str, name: str, url: str) -> str:
    """Let pub.test lead to a URL by one of `WAYS`, and the path of a request that goes that way."""
    path = f"pub.test/{name.lower()}-{way}"
    match way:
        case "repository":
            internet.page(path, f"{path} git {url}")
        case "proxy":
            internet.page(path, f"{path} mod {url}")
        case "redirect":
            internet.answer(path, lambda exchange: exchange.reply(302, b"", {"Location": f"{url}?go-get=1"}))
        case "moved":
            internet.page(path, f"{path} git https://pub.test/{path}.repo")
            internet.answer(
                f"pub.test/{path}.repo",
                lambda exchange: exchange.reply(
                    301, b"", {"Location": f"{url}/info/refs?service=git-upload-pack"}
                ),
            )
    return f"/{path}{ROOM}"


WAYS = ("repository", "proxy", "redirect", "moved")


def add_honest(internet: Internet, folder: Path) -> None:
    """A module at pub.test that can be had: what is refused is not refused to everybody."""
    repo = Repo(folder / "honest.git")
    repo.commit({"go.mod": f"module {HONEST}\n", "a.go": "package a\n"}, tags=("v1.0.0",))
    internet.page(HONEST, f"{HONEST} git https://pub.test/honest.repo")
    internet.repository("pub.test/honest.repo", repo.folder)


def check_refused(server: Server, path: str, status: int, said: str = "") -> Answer:
    """What a client sees of a refusal: the status, a reason without paths of ours, nothing new in the store; an honest module
    can be had as before.
    """
    before = published_files(server.store)
    answer = server.get(path)
    assert answer.status == status, f"{answer.status} {answer.text}"
    assert said in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert str(server.data) not in answer.text
    assert ("no-store" in answer.headers["cache-control"]) == (status != 404)
    assert published_files(server.store) == before
    assert server.get(f"/{HONEST}{ROOM}").text == "v1.0.0\n"
    return answer
