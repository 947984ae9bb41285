"""The syntax of go.mod files: lines of tokens, some of them factored into blocks.

    // a comment before
    verb token token // a comment behind
    verb (
        token token
    )

The grammar is https://go.dev/ref/mod#go-mod-file-grammar as golang.org/x/mod/modfile reads it. Comments are
kept, since a retraction's rationale is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from goproxy_mirror.errors import NotFound
from goproxy_mirror.module import letters


class InvalidModFile(NotFound):
    """The text is no go.mod file; the message begins with the line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"go.mod:{line}: {problem}")


@dataclass(frozen=True, slots=True)
class Line:
    """A statement, or one line of a block: `before` and `suffix` are its comments with their slashes.

    An empty text among `before` stands for blank lines.
    """

    number: int
    tokens: tuple[str, ...]
    before: tuple[str, ...] = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A factored statement: `tokens` stand before its parenthesis, `before` are the comments above it."""

    number: int
    tokens: tuple[str, ...]
    before: tuple[str, ...]
    lines: tuple[Line, ...]


_TOKEN = re.compile(
    r"""[ \t\r]*+ (?:
        (?P<comment> //[^\n]*+ )
      | (?P<newline> \n )
      | (?P<punctuation> [()\[\]{},] )
      | (?P<string> " (?: [^"\\\n] | \\. )*+ " | `[^`\n]*+` )
      | (?P<identifier> (?!["`]) (?: (?!//) [^ \t\r\n()\[\]{},] )++ )
      | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"""\\(?: ([abfnrtv\\"]) | ([0-7]{3}) | x([0-9a-fA-F]{2}) | u([0-9a-fA-F]{4}) | U([0-9a-fA-F]{8}) )""",
    re.VERBOSE,
)
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_ESCAPED = dict(zip('abfnrtv\\"', b'\a\b\f\n\r\t\v\\"', strict=True))


def statements(data: bytes) -> Iterator[Line | Block]:
    """The statements of a go.mod file. Raises InvalidModFile."""
    before: list[str] = []
    lines = _lines(data.decode(errors="surrogateescape"))
    for line in lines:
        if not line.tokens:
            # Comments belong to the statement right below them; a blank line cuts them off.
            if line.suffix:
                before.append(line.suffix)
            else:
                before.clear()
            continue
        above, before = tuple(before), []
        if len(line.tokens) > 1 and line.tokens[-1] == "(":
            yield Block(line.number, line.tokens[:-1], above, tuple(_block_lines(lines, line.number)))
        elif len(line.tokens) > 2 and line.tokens[-2:] == ("(", ")"):
            yield Block(line.number, line.tokens[:-2], above, ())
        else:
            yield Line(line.number, line.tokens, above, line.suffix)


def _block_lines(lines: Iterator[Line], opened: int) -> Iterator[Line]:
    """The lines up to the closing parenthesis, which must stand alone."""
    before: list[str] = []
    first = True
    for line in lines:
        if line.tokens[:1] == (")",):
            if len(line.tokens) > 1:
                raise InvalidModFile(line.number, "syntax error (expected newline after closing paren)")
            return
        if line.tokens:
            yield Line(line.number, line.tokens, tuple(before), line.suffix)
            before, first = [], False
        elif line.suffix or (before and before[-1]) or (not before and not first):
            before.append(line.suffix)
    raise InvalidModFile(opened, "syntax error (unterminated block)")


def _lines(text: str) -> Iterator[Line]:
    """Every line with its tokens and the comment at its end."""
    number = started = 1
    tokens: list[str] = []
    comment = ""
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidModFile(number, f"unexpected input at {text[position : position + 20]!a}")
        position = match.end()
        kind = match.lastgroup
        if kind is None or kind == "newline":
            if tokens or comment or kind:
                yield Line(started, tuple(tokens), suffix=comment)
            if kind is None:
                return
            number += 1
            started, tokens, comment = number, [], ""
        elif kind == "comment":
            comment = match[kind].removesuffix("\r")
        else:
            token = match[kind]
            if kind == "identifier":
                _check_identifier(token, number)
            number += token.count("\n")
            tokens.append(token)


def _check_identifier(token: str, number: int) -> None:
    if "/*" in token:
        raise InvalidModFile(number, "mod files must use // comments (not /* */ comments)")
    if not token.isprintable():
        for char in token:
            # An undecodable byte (a lone surrogate here) reads as U+FFFD, which is printable.
            if not (char.isprintable() or "\udc80" <= char <= "\udcff" or letters.is_letter(char)):
                raise InvalidModFile(number, f"unexpected input character {char!a}")


def unquote(token: str) -> str | None:
    """What a quoted string of Go says, in double quotes or backquotes; None if it is none."""
    inner = token[1:-1]
    if len(token) < 2 or token[0] != token[-1]:
        return None
    if token[0] == "`":
        return None if "`" in inner else inner.replace("\r", "")
    inner = _UNDECODABLE.sub("\ufffd", inner)
    if token[0] != '"' or "\n" in inner:
        return None
    said = bytearray()
    position = 0
    while position < len(inner):
        stop = inner.find("\\", position)
        plain = inner[position : stop if stop >= 0 else None]
        if '"' in plain:
            return None
        said += plain.encode()
        if stop < 0:
            break
        match = _ESCAPE.match(inner, stop)
        value = _escape_value(match) if match else None
        if match is None or value is None:
            return None
        said += value
        position = match.end()
    return said.decode(errors="surrogateescape")


def _escape_value(match: re.Match[str]) -> bytes | None:
    """The bytes that one escape stands for; None for a number that is no byte or no character."""
    char, octal, byte, short, long = match.groups()
    if char:
        return bytes((_ESCAPED[char],))
    if octal or byte:
        code = int(octal, 8) if octal else int(byte, 16)
        return bytes((code,)) if code < 256 else None
    code = int(short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return None
    return chr(code).encode()
