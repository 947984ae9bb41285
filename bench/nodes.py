"""Three nodes over one store and one PostgreSQL: what clients notice of a killed node, a silent one, and a stopped database.

    .venv/bin/python -m bench.nodes [--clients 300] [--modules 100] [--store s3|folder]

Clients ask the next node where one does not answer, as a load balancer would. Prints one line for each act.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from goproxy_mirror.state.serverturns import STALLED
from tests.world.nodes import Nodes, Tally, write_modules
from tests.world.objectstore import ObjectServer, object_server
from tests.world.polling import eventually
from tests.world.upstream import Upstream


def _row(act: str, tally: Tally, seconds: float, note: str = "") -> None:
    bad = sum(count for status, count in tally.statuses.items() if status != 200)
    print(
        f"{act:<44} {tally.statuses[200]:>7} {bad:>6} {tally.lost:>5} {tally.different:>9} "
        f"{tally.slowest(0.5) * 1000:>8.0f} {tally.slowest(0.99) * 1000:>8.0f} {tally.slowest() * 1000:>8.0f} "
        f"{seconds:>6.1f}  {note}",
        flush=True,
    )
    for problem, count in tally.problems.most_common(2):
        print(f"    {count} x {problem}", flush=True)


async def _run(nodes: Nodes, tree: Path, clients: int, modules: int) -> bool:
    cold = write_modules(tree, "cold", modules)
    other = write_modules(tree, "other", modules)
    late = write_modules(tree, "late", modules)
    each = max(3, 3 * modules // 10)
    print(
        f"{'':<44} {'ok':>7} {'errors':>6} {'moved':>5} {'different':>9} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'s':>6}"
    )

    async def act(name: str, paths: list[str], on: list[int], note: str = "", **options: float) -> Tally:
        began = time.monotonic()
        tally = await nodes.crowd(paths, clients, each, on, **options)
        _row(name, tally, time.monotonic() - began, note)
        return tally

    tallies = [await act("cold modules, three nodes", cold, [0, 1, 2])]
    began = time.monotonic()
    crowd = asyncio.create_task(nodes.crowd(other, clients, each, [0, 1, 2]))
    await asyncio.to_thread(
        eventually, lambda: sum(map(nodes.upstream.asked.__getitem__, other)) > modules // 4
    )
    await asyncio.to_thread(nodes.nodes[2].kill)
    tallies.append(await crowd)
    _row("cold modules, one node killed meanwhile", tallies[-1], time.monotonic() - began)
    twice = nodes.twice(cold)
    print(f"    asked of the upstream more than once: {twice} of {len(cold)} files")
    # What the killed node had fetched and not yet published has to be fetched again.
    print(f"    and of those that came while the node was killed: {nodes.twice(other)} of {len(other)}")

    began = time.monotonic()
    crowd = asyncio.create_task(nodes.crowd(late, clients, each, [0, 1], patience=STALLED + 5))
    await asyncio.to_thread(
        eventually, lambda: sum(map(nodes.upstream.asked.__getitem__, late)) > modules // 4
    )
    nodes.stop(1)
    tally = await crowd
    nodes.go_on(1)
    tallies.append(tally)
    _row(f"cold modules, one node silent for > {STALLED:.0f} s", tally, time.monotonic() - began)
    print(f"    asked of the upstream more than once: {nodes.twice(late)} of {len(late)} files")

    held = sorted({path for each_tally in tallies for path in each_tally.bodies})
    await asyncio.to_thread(nodes.postgres.stop)
    down = await act("cached modules, PostgreSQL stopped", held, [0, 1])
    await asyncio.to_thread(nodes.postgres.start)
    up = await act("cached modules, PostgreSQL started again", held, [0, 1])
    await asyncio.to_thread(nodes.nodes[2].start)
    await act("everything, the killed node back", [*cold, *other, *late], [0, 1, 2])
    later = iter(write_modules(tree, "later", 1000))
    wanted = {
        path.split("/@v/")[0].removeprefix("/") for path in [*cold, *other, *late] if path.endswith(".mod")
    }
    held_modules = {
        module
        for module in wanted
        if all(nodes.nodes[0].get(f"/{module}/@v/v1.0.0.{e}").status == 200 for e in ("info", "mod"))
    }

    def complete() -> bool:
        if not nodes.indexed(0):
            return False
        for node in nodes.nodes:
            node.get(next(later))  # what is new lets a node write what waits
        return held_modules <= set(nodes.indexed(0))

    await asyncio.to_thread(eventually, complete, within=120, what="every module in the index")
    index = nodes.indexed(0)
    doubled = sum(count > 1 for count in index.values())
    print(f"index: {len(held_modules - set(index))} of {len(held_modules)} modules missing, {doubled} twice")
    cached = down.statuses + up.statuses
    return (
        set(cached) == {200}
        and not twice
        and not doubled
        and not any(each_tally.different for each_tally in tallies)
    )


def main() -> int:
    """Run it; 0 where everything is as it has to be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--modules", type=int, default=100)
    parser.add_argument("--store", choices=("s3", "folder"), default="s3")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goproxy-mirror-nodes-")))
        bucket = None
        if options.store == "s3":
            program = object_server()
            if isinstance(program, str):
                print(f"bench.nodes: {program}; --store folder goes without")
                return 1
            bucket = stack.enter_context(ObjectServer(program, folder))
        upstream = stack.enter_context(Upstream(folder / "tree"))
        nodes = stack.enter_context(Nodes(folder, upstream, bucket))
        right = asyncio.run(_run(nodes, folder / "tree", options.clients, options.modules))
    print("all as it has to be" if right else "NOT as it has to be")
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
