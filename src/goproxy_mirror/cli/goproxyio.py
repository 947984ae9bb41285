"""For those who come from goproxyio: what stands in the place of each of its flags."""

from __future__ import annotations

import re

REPLACEMENTS = {
    "listen": "serve --listen HOST:PORT",
    "cacheDir": "serve --data DIR (serve the old cache too: --upstream file:///OLD/CACHE/pkg/mod/cache/download,…)",
    "proxy": "serve --upstream 'URL,direct'",
    "exclude": "serve --private 'GLOBS', or serve --upstream-for 'GLOB=direct' for each one that is not private",
    "cacheExpire": "serve --list-ttl TIME, such as 5m",
}

_FLAG = re.compile(rf"--?({'|'.join(REPLACEMENTS)})(=.*)?", re.DOTALL)


def hint(arguments: list[str]) -> str | None:
    """A line on the first flag of goproxyio's among the arguments; None where there is none.

    Nothing after `--` is looked at, nor what follows `run`: these are another program's arguments. Flags of ours are
    never taken for its ones, since ours have two dashes (its parser takes both).
    """
    for argument in arguments:
        if argument in {"--", "run"}:
            return None
        found = _FLAG.fullmatch(argument)
        if found is not None and not (argument.startswith("--") and found[1].islower()):
            return f"-{found[1]} is a flag of goproxyio; its place is taken by: {REPLACEMENTS[found[1]]}"
    return None
