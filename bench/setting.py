"""What every measure is given: where to work, what to compare, how long and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figures
from bench.servers import Make, Server, missing
from bench.upstream import Upstream


@dataclass
class Setting:
    """One run. `seconds` is how long one load lasts; `million` also measures what takes long to make."""

    folder: Path
    upstream: Upstream
    repeats: int
    seconds: float
    quick: bool
    server_core: int
    client_core: int | None
    million: bool = False
    soak: float = 0.0
    figures: Figures = field(default_factory=Figures)
    _folders: int = 0

    def there(self, names: Sequence[str]) -> list[str]:
        """Those of the servers that can be had; what cannot is noted once."""
        absent = missing()
        for name in names:
            if name in absent:
                self.figures.note(f"{name}: {absent[name]}; left out")
        return [name for name in names if name not in absent]

    def new_folder(self) -> Path:
        """A folder that nobody has used."""
        self._folders += 1
        folder = self.folder / f"{self._folders:04d}"
        folder.mkdir()
        return folder

    def server(self, name: str, *, pinned: bool = True, make: Make | None = None) -> Server:
        """A server with an empty store, not started yet."""
        core = self.server_core if pinned and self.client_core is not None else None
        return Server(name, self.new_folder(), self.upstream, core=core, make=make)

    @contextmanager
    def started(self, names: Sequence[str]) -> Iterator[list[Server]]:
        """Those of the servers that can be had, side by side; one that does not start is noted and left out."""
        with ExitStack() as stack:
            servers = []
            for name in self.there(names):
                try:
                    servers.append(stack.enter_context(self.server(name)))
                except RuntimeError as error:
                    self.figures.note(f"{name}: {error}"[:300])
            yield servers

    def turns(self, servers: Sequence[Server]) -> Iterator[Server]:
        """Every server once in each repeat; who begins changes, so that a slow moment hits no one alone."""
        for number in range(self.repeats):
            first = number % len(servers) if servers else 0
            yield from (*servers[first:], *servers[:first])
