from __future__ import annotations

import pytest

from goproxy_mirror.module.letters import fold, is_letter

# Characters that are one where case is folded simply: pairs, triples, and some that full folding takes apart.
CLASSES = [
    "Kk\u212a", "Ss\u017f", "\u00c5\u00e5\u212b", "\u0398\u03b8\u03d1\u03f4", "\u01c4\u01c5\u01c6", "\u1e9e\u00df",
    "\ufb05\ufb06", "\u0390\u1fd3", "\u03b0\u1fe3", "\u0130", "\u0131", "Ii", "\u1c89\u1c8a", "\ua7da\ua7db", "\ua7dc\u019b",
    "\U00010d50\U00010d70", "\U00016ea0\U00016ebb", "\u13a0\uab70", "\u1e60\u1e61\u1e9b",
]  # fmt: skip


@pytest.mark.parametrize("chars", CLASSES)
def test_a_class_folds_to_one_character(chars: str) -> None:
    """All characters of a folding class are equal, beside one another and within words."""
    assert len({fold(char) for char in chars}) == 1
    assert len({fold(f"a{char}\u00e9") for char in chars}) == 1


def test_classes_stay_apart() -> None:
    """Folding never takes one character for two, nor two classes for one."""
    assert len({fold(chars[0]) for chars in CLASSES}) == len(CLASSES)
    assert fold("\u00df") != fold("ss")
    assert fold("\u0130") != fold("i")


def test_letters() -> None:
    """Letters of Unicode 17 are letters; marks, digits, signs and what is not assigned are none."""
    assert all(map(is_letter, "a\u00e9\u0438\u4e2d\u02b0\u1c8a\U00016ea0\U00031350\U0003134a"))
    assert not any(map(is_letter, "1\u0301\u0661\u20ac\U0001f600\u2167\ue000\u0378 "))
