"""A world with a checksum database of its own, an upstream that lies and one that does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from goproxy_mirror.module.version import ModuleVersion
from tests.world.go import clean_environment
from tests.world.server import Server
from tests.world.sumdb import SumDB, SumDBServer
from tests.world.upstream import Upstream
from tests.world.zips import h1, mod_h1

TIME = "2024-05-06T07:08:09Z"


def write_version(tree: Path, mv: ModuleVersion, go_mod: bytes, zip_file: bytes) -> None:
    """Put a version into a GOPROXY tree."""
    folder = tree / mv.path.escaped / "@v"
    folder.mkdir(parents=True, exist_ok=True)
    name = mv.version.escaped
    (folder / f"{name}.info").write_text(json.dumps({"Version": str(mv.version), "Time": TIME}))
    (folder / f"{name}.mod").write_bytes(go_mod)
    (folder / f"{name}.zip").write_bytes(zip_file)
    with (folder / "list").open("a") as listed:
        listed.write(f"{mv.version}\n")


def file_of(mv: ModuleVersion, ending: str) -> str:
    """The path of a request for a file of a version."""
    return f"/{mv.path.escaped}/@v/{mv.version.escaped}.{ending}"


@dataclass
class Proving:
    """`liar` and `honest` are upstreams; the servers ask the database, and the upstreams that their names tell."""

    folder: Path
    database: SumDB
    liar: Upstream
    honest: Upstream
    stack: ExitStack
    env: Mapping[str, str]
    servers: dict[str, Server] = field(default_factory=dict)

    def publish(
        self,
        mv: ModuleVersion,
        go_mod: bytes,
        zip_file: bytes,
        *,
        lie: bytes | None = None,
        mod_lie: bytes | None = None,
    ) -> None:
        """Record a version and let both upstreams have it; the liar has other files where there are such."""
        self.database.add(str(mv.path), str(mv.version), h1(zip_file), mod_h1(go_mod))
        write_version(self.honest.tree, mv, go_mod, zip_file)
        write_version(
            self.liar.tree, mv, go_mod if mod_lie is None else mod_lie, zip_file if lie is None else lie
        )

    def server(self, *upstreams: str, separator: str = "|", proven: bool = True) -> Server:
        """A server with these upstreams (`liar`, `honest`), started when it is asked for first; perhaps without the database."""
        name = separator.join(upstreams) + ("" if proven else " unproven")
        if name not in self.servers:
            urls = {"liar": self.liar.url, "honest": self.honest.url}
            listed = separator.join(urls[each] for each in upstreams)
            folder = self.folder / name.replace("|", "-or-").replace(",", "-then-").replace(" ", "-")
            env = self.env if proven else {**self.env, "GOSUMDB": "off"}
            server = Server(folder, "--upstream", listed, "--no-builtin-mirrors", env=env)
            self.stack.callback(server.stop)
            self.servers[name] = server.start()
        return self.servers[name]


@contextmanager
def proving(folder: Path) -> Iterator[Proving]:
    """Such a world below a folder."""
    database = SumDB()
    with ExitStack() as stack:
        places = [folder / "liar", folder / "honest"]
        for place in places:
            place.mkdir(parents=True)
        liar, honest = (stack.enter_context(Upstream(place)) for place in places)
        served = stack.enter_context(SumDBServer(database))
        env = clean_environment(folder) | {"GOSUMDB": f"{database.vkey} {served.url}"}
        yield Proving(folder, database, liar, honest, stack, env)
