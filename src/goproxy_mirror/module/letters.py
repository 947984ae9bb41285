"""Letters and case folding as Go 1.27 knows them (Unicode 17), whatever Unicode the running Python knows.

Which file names a module may have, and which two of them collide, must not change with the interpreter: the
same revision would otherwise be a valid module on one server and none on the next. Python's tables are used
where they agree; what they lack (Python 3.11 knows Unicode 14) and where full case folding differs from Go's
simple folding is listed here.
"""

from __future__ import annotations

import unicodedata

# Letters that came after Unicode 14, as (first, last).
_NEWER_LETTERS = (
    (0x088F, 0x088F), (0x0C5C, 0x0C5C), (0x0CDC, 0x0CDC), (0x1C89, 0x1C8A), (0xA7CB, 0xA7CF),
    (0xA7D2, 0xA7D2), (0xA7D4, 0xA7D4), (0xA7DA, 0xA7DC), (0xA7F1, 0xA7F1), (0x105C0, 0x105F3),
    (0x10940, 0x10959),
    (0x10D4A, 0x10D65), (0x10D6F, 0x10D85), (0x10EC2, 0x10EC7), (0x1123F, 0x11240), (0x11380, 0x11389),
    (0x1138B, 0x1138B), (0x1138E, 0x1138E), (0x11390, 0x113B5), (0x113B7, 0x113B7), (0x113D1, 0x113D1),
    (0x113D3, 0x113D3), (0x11BC0, 0x11BE0), (0x11DB0, 0x11DDB), (0x11F02, 0x11F02), (0x11F04, 0x11F10),
    (0x11F12, 0x11F33), (0x1342F, 0x1342F), (0x13441, 0x13446), (0x13460, 0x143FA), (0x16100, 0x1611D),
    (0x16D40, 0x16D6C), (0x16EA0, 0x16EB8), (0x16EBB, 0x16ED3), (0x16FF2, 0x16FF3), (0x187F8, 0x187FF),
    (0x18CFF, 0x18CFF), (0x18D09, 0x18D1E), (0x18D80, 0x18DF2), (0x1B132, 0x1B132), (0x1B155, 0x1B155),
    (0x1DF25, 0x1DF2A), (0x1E030, 0x1E06D), (0x1E4D0, 0x1E4EB), (0x1E5D0, 0x1E5ED), (0x1E5F0, 0x1E5F0),
    (0x1E6C0, 0x1E6DE), (0x1E6E0, 0x1E6E2), (0x1E6E4, 0x1E6E5), (0x1E6E7, 0x1E6ED), (0x1E6F0, 0x1E6F4),
    (0x1E6FE, 0x1E6FF), (0x2B739, 0x2B73F), (0x2CEA2, 0x2CEAD), (0x2EBF0, 0x2EE5D), (0x31350, 0x33479),
)  # fmt: skip

# Characters whose simple folding Python does not tell: three pairs that it folds to several characters, and
# the pairs that came after Unicode 14.
_OTHER_FOLDS = {
    0xFB05: 0xFB06, 0x1FD3: 0x0390, 0x1FE3: 0x03B0,
    0x1C89: 0x1C8A, 0xA7CB: 0x0264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5,
    0xA7DA: 0xA7DB, 0xA7DC: 0x019B,
    **{upper: upper + 0x20 for upper in range(0x10D50, 0x10D66)},
    **{upper: upper + 0x1B for upper in range(0x16EA0, 0x16EB9)},
}  # fmt: skip


class _Folds(dict[int, str]):
    """A translation table that works each character out once."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if code in _OTHER_FOLDS:
            folded = chr(_OTHER_FOLDS[code])
        elif len(char.casefold()) == 1:
            folded = char.casefold()
        else:
            folded = char.lower() if len(char.lower()) == 1 else char
        self[code] = folded
        return folded


_FOLDS = _Folds()


def is_letter(char: str) -> bool:
    """Whether the one character is in a Unicode letter category (Lu, Ll, Lt, Lm, Lo)."""
    if unicodedata.category(char)[0] == "L":
        return True
    code = ord(char)
    return any(first <= code <= last for first, last in _NEWER_LETTERS)


def fold(text: str) -> str:
    """A form that two texts share if and only if they are equal under simple case folding (`k` is `K` and U+212A)."""
    return text.lower() if text.isascii() else text.translate(_FOLDS)
