"""The go-import entries of a page, as `?go-get=1` is answered.

    <meta name="go-import" content="prefix vcs repository-url [subdirectory]">

The go command reads pages with a lenient XML reader up to `</head>` or `<body>`, whatever the status
(cmd/go/internal/vcs/discovery.go; https://go.dev/ref/mod#vcs-find). This reads at least what that reads, in
time proportional to the page's length, which cannot be said of every reader of HTML.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

MOST_ENTRIES = 2000
MOST_TEXT = 256 << 10
"""Characters of all entries together. A page with more is not read."""

# Comments, CDATA, instructions, directives and tags. Each alternative either takes all that it has looked at or gives
# up at its second character, so that no character is looked at more than a few times, whatever is unfinished.
_TOKEN = re.compile(
    r"""<!--.*?(?:-->|\Z) | <!\[CDATA\[.*?(?:]]>|\Z) | <\?.*?(?:\?>|\Z) | <![^>]*+(?:>|\Z)
    | <(?P<name>/?[a-z_:][\w:.-]*+) (?P<attributes>(?:[^<>"']++|"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))*+) >?""",
    re.ASCII | re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([^\s=/"']++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"']*+))?""")
_CLOSINGS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>", "<": ">"}


@dataclass(frozen=True, slots=True)
class Import:
    """One entry. `vcs` is `mod` where `url` is a module proxy."""

    prefix: str
    vcs: str
    url: str
    subdir: str

    def covers(self, path: str) -> bool:
        """Whether the path is the prefix, or below it."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True)
class Page:
    """The entries that count, those of proxies first.

    `ended`: the head's end was seen. `broken`: the text ended within a tag, a comment or the like.
    """

    imports: tuple[Import, ...]
    ended: bool
    broken: bool


class TooManyError(ValueError):
    """More entries than any page of a person has."""


def read_page(text: str) -> Page:
    """Read a page. Raises `TooManyError`."""
    found: list[Import] = []
    size = 0
    ended = broken = False
    for token in _TOKEN.finditer(text):
        broken = token.end() == len(text) and _is_broken(token[0])
        name = _local(token["name"] or "")
        if token["name"] is not None and token["name"].startswith("/"):
            name = f"/{name.removeprefix('/')}"
        if name in {"/head", "body"} and not broken:
            ended = True
            break
        if name != "meta" or broken:
            continue
        attributes = _attributes(token["attributes"])
        if html.unescape(attributes.get("name", "")) != "go-import":
            continue
        content = attributes.get("content", "")
        size += len(content)
        if len(found) >= MOST_ENTRIES or size > MOST_TEXT:
            raise TooManyError(f"it has more than {MOST_ENTRIES} go-import entries, or very long ones")
        fields = html.unescape(content).split()
        if len(fields) in {3, 4}:
            prefix, vcs, url, subdir = (*fields, "")[:4]
            found.append(Import(prefix, vcs, url, subdir))
    proxies = [entry for entry in found if entry.vcs == "mod"]
    served = {entry.prefix for entry in proxies}
    others = [entry for entry in found if entry.vcs != "mod" and entry.prefix not in served]
    return Page((*proxies, *others), ended, broken)


def _is_broken(token: str) -> bool:
    """Whether a token that reaches the text's end is unfinished."""
    closing = next(closing for opening, closing in _CLOSINGS.items() if token.upper().startswith(opening))
    return not token.endswith(closing)


def _attributes(text: str) -> dict[str, str]:
    """The first value of each attribute, by its name in small letters, as it is written but for the quotes."""
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        found.setdefault(_local(name), value[1:-1] if value[:1] in {"'", '"'} else value)
    return found


def _local(name: str) -> str:
    return str(name.rpartition(":")[2].lower())
