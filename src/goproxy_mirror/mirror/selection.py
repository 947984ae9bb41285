"""Which of the stored modules are meant by what somebody has written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from goproxy_mirror.errors import MirrorError, SettingError
from goproxy_mirror.module.path import ModulePath, escape
from goproxy_mirror.module.patterns import is_glob, match_globs
from goproxy_mirror.module.version import Version

_LITERAL = re.compile(r"[^*?\[\\]*")
_ALLOWED = "allowed are MODULE, MODULE@VERSION, and globs as in GOPRIVATE, such as 'golang.org/x/*'"


@dataclass(frozen=True, slots=True)
class Selection:
    """A glob as in GOPRIVATE (so a module path means what is below it too), or one version of one module."""

    text: str
    glob: str
    version: Version | None = None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Read an argument. Raises `SettingError`."""
        path, at, version = text.partition("@")
        if not path or set(",:") & set(path) or path.startswith("/") or not is_glob(path):
            raise SettingError(f'"{text}" names no module; {_ALLOWED}')
        if not at:
            return cls(text, path)
        try:
            return cls(text, path, Version.parse_for(ModulePath.parse(path), version))
        except MirrorError as error:
            raise SettingError(f'"{text}": {error.message}; {_ALLOWED}') from None

    def has(self, path: ModulePath, version: Version) -> bool:
        """Whether a module version is meant."""
        if self.version is not None:
            return path.value == self.glob and version == self.version
        return match_globs(self.glob, path.value)

    @property
    def prefix(self) -> str:
        """With what the keys of all that may be meant begin."""
        if self.version is not None:
            return f"{escape(self.glob)}/@v/"
        literal = _LITERAL.match(self.glob)
        assert literal is not None
        return escape(literal[0].removesuffix("/"))


def key_prefixes(wanted: Sequence[Selection]) -> Sequence[str]:
    """Prefixes that together have every key that may be meant, none of which is within another."""
    found: list[str] = []
    for prefix in sorted({each.prefix for each in wanted}) or [""]:
        if not any(prefix.startswith(other) for other in found):
            found.append(prefix)
    return found
