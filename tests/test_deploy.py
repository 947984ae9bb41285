"""What is in `deploy/` for those who run their own web server is what `serve --front` tells to one.

`python -m tests.test_deploy` writes the files anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from goproxy_mirror.web.front import caddy, nginx
from goproxy_mirror.web.front.plan import Plan
from goproxy_mirror.web.listening import Address, TLSFiles

DEPLOY = Path(__file__).parents[1] / "deploy"
NAME = "goproxy.example.com"
ABOUT = """\
# {name} before goproxy-mirror: what is stored goes from the folder to the client, everything else is asked of the program.
# `goproxy-mirror serve --front {front}` does the same without this file. Put your names, folder and certificates here;
# docs/deployment.md says who must be able to read the store, and what holds for files that are not proven yet.
{use}
"""
PLAN = Plan(
    root=Path("/srv/goproxy-mirror/store"),
    workers="127.0.0.1:8081",
    address=Address("", 443),
    tls=TLSFiles(Path(f"/etc/ssl/{NAME}.pem"), Path(f"/etc/ssl/{NAME}.key")),
)
FILES = {
    "nginx.conf": ABOUT.format(
        name="nginx",
        front="nginx",
        use="# Belongs into nginx's http block: /etc/nginx/conf.d/goproxy-mirror.conf.\n",
    )
    + nginx.site(PLAN, NAME),
    "Caddyfile": ABOUT.format(
        name="Caddy", front="caddy", use="# Caddy gets the certificate for the name by itself.\n"
    )
    + caddy.site(PLAN, NAME),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_files_for_ones_own_web_server_are_those_of_the_front(name: str) -> None:
    """Neither of the two is changed without the other."""
    assert (DEPLOY / name).read_text("utf-8") == FILES[name], "run python -m tests.test_deploy"


if __name__ == "__main__":
    for each, text in FILES.items():
        (DEPLOY / each).write_text(text, "utf-8")
