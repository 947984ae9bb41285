"""Signed notes and their keys, by the tables of golang.org/x/mod."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goproxy_mirror.errors import SecurityError, SettingError
from goproxy_mirror.sumdb.note import (
    KNOWN_KEYS,
    MOST_BYTES,
    SAME_DATABASE,
    Malformed,
    VerifierKey,
    open_note,
)
from tests.sumdb import gomod_tables as tables

PETER = VerifierKey.parse(tables.PETER)
ENOCH = VerifierKey.parse(tables.ENOCH)


def note(*lines: str) -> bytes:
    """The text with these signature lines."""
    return (tables.TEXT + "\n" + "".join(lines)).encode()


@pytest.mark.parametrize("text", [tables.PETER, tables.ENOCH, tables.CLIENT_KEY, f" {tables.PETER}\n"])
def test_keys(text: str) -> None:
    """A key is read and written in one form; white space around it does not matter."""
    key = VerifierKey.parse(text)
    assert str(key) == text.strip()
    assert key.name == text.strip().partition("+")[0]


def test_known_keys() -> None:
    """The key of sum.golang.org need not be said, nor that its other host is the same database."""
    key = VerifierKey.parse("sum.golang.org")
    assert str(key) == KNOWN_KEYS["sum.golang.org"]
    assert VerifierKey.parse("sum.golang.google.cn") == key


def test_every_part_of_a_key_is_none() -> None:
    """No text that lacks something at its beginning or end is a key."""
    text = tables.PETER
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            if end - start < len(text):
                with pytest.raises(SettingError):
                    VerifierKey.parse(text[start:end])


def test_every_wrong_character_is_seen() -> None:
    """The hash tells a key with one character changed from the key."""
    text = tables.PETER
    for spot in range(len(text)):
        with pytest.raises(SettingError):
            VerifierKey.parse(text[:spot] + chr(ord(text[spot]) + 1) + text[spot + 1 :])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sum.example.com", "none is known by that name"),
        ("", "none is known by that name"),
        (tables.WRONG_LENGTH, "unknown kind"),
        (tables.UNKNOWN_ALGORITHM, "unknown kind"),
        (tables.PETER.replace("c74f20a3", "c74f20a4"), "does not fit its hash c74f20a4"),
        (tables.PETER.replace("c74f20a3", "c74f20a"), "8 hexadecimal digits"),
        (tables.PETER.replace("PeterNeumann", "Peter Neumann"), "NAME"),
        (tables.PETER.replace("ARpc2", "ARpc\n2"), "base64"),
        (tables.PETER.replace("PeterNeumann", ""), "NAME"),
        ("x" * 5000, "…"),
    ],
)
def test_what_is_wrong_with_a_key_is_said(text: str, why: str) -> None:
    """A setting's refusal tells what was given and what is allowed."""
    with pytest.raises(SettingError) as failure:
        VerifierKey.parse(text)
    assert why in failure.value.message
    assert len(failure.value.message) < 400


def test_signed_by_one_of_two() -> None:
    """S16: the text of a note that a known and an unknown key have signed; which way round does not matter."""
    for lines in ((tables.PETERS, tables.ENOCHS), (tables.ENOCHS, tables.PETERS)):
        for keys in ([PETER], [ENOCH], [PETER, ENOCH]):
            assert open_note(note(*lines), keys).decode() == tables.TEXT


def test_signed_by_nobody_known() -> None:
    """S02: a good signature by an unknown key proves nothing."""
    for keys in ([], [ENOCH]):
        with pytest.raises(SecurityError, match="not signed by the database's key"):
            open_note(note(tables.PETERS), keys)
    misnamed = tables.PETERS.replace("PeterNeumann", "CarmenSandiego")
    other_hash = tables.PETERS.replace("x08g", "xxxx")
    for line in (misnamed, other_hash):
        with pytest.raises(SecurityError):
            open_note(note(line), [PETER])


def test_signed_wrongly() -> None:
    """S01: a wrong signature by a known key is fatal, whatever other signatures are good."""
    wrong = tables.PETERS[:60] + "ABCD" + tables.PETERS[60:]
    for lines in ((wrong,), (wrong, tables.ENOCHS), (tables.ENOCHS, wrong)):
        with pytest.raises(SecurityError, match=r"PeterNeumann\+c74f20a3 is wrong"):
            open_note(note(*lines), [PETER, ENOCH])
    assert open_note(note(wrong, tables.ENOCHS), [ENOCH]).decode() == tables.TEXT
    other = note(tables.PETERS).replace(b"cryptography", b"biography")
    with pytest.raises(SecurityError):
        open_note(other, [PETER])


def test_repeated_signatures() -> None:
    """What is there twice counts once, also where the second is by an unknown key and wrong."""
    wrong = tables.ENOCHS[:60] + "ABCD" + tables.ENOCHS[60:]
    lines = (tables.PETERS, tables.PETERS, tables.ENOCHS, tables.ENOCHS, wrong)
    assert open_note(note(*lines), [PETER]).decode() == tables.TEXT
    assert open_note(note(tables.PETERS * 100), [PETER]).decode() == tables.TEXT


@pytest.mark.parametrize("what", tables.MALFORMED_NOTES)
def test_malformed_notes(what: str) -> None:
    """What is no note is refused whether its key is known or not."""
    text = tables.MALFORMED_NOTES[what]
    for keys in ([PETER], []):
        with pytest.raises(Malformed):
            open_note(text if isinstance(text, bytes) else text.encode(), keys)


@pytest.mark.parametrize(
    "line",
    [
        "— PeterNeumann\n",
        "— PeterNeumann AAAA\n",
        "— Peter+Neumann x08go/ZJkuBS\n",
        "- PeterNeumann x08go/ZJkuBS\n",
        "— PeterNeumann x08go/ZJkuBS9=\n",
        "\n",
    ],
)
def test_malformed_signatures(line: str) -> None:
    """A line that is no signature makes the whole no note, also beside a good one."""
    with pytest.raises((Malformed, SecurityError)):
        open_note(note(tables.PETERS, line), [PETER])


def test_too_large() -> None:
    """S15: the size is looked at first."""
    line = "a line that goes on and on\n"
    large = tables.TEXT + line * (MOST_BYTES // len(line)) + "\n" + tables.PETERS
    with pytest.raises(Malformed, match="more than"):
        open_note(large.encode(), [PETER])


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_rubbish_is_refused(rubbish: bytes, start: int, end: int) -> None:
    """A note with anything put in the place of any part of it is the same text, or refused, and nothing else."""
    whole = note(tables.PETERS)
    try:
        text = open_note(whole[:start] + rubbish + whole[end:], [PETER])
    except (Malformed, SecurityError):
        return
    assert text.decode() == tables.TEXT


@given(st.text(max_size=120).filter(lambda text: text.strip() not in {*KNOWN_KEYS, *SAME_DATABASE}))
def test_rubbish_is_no_key(text: str) -> None:
    """A setting that is no key is refused as a setting."""
    with pytest.raises(SettingError):
        VerifierKey.parse(text)
    with pytest.raises(SettingError):
        VerifierKey.parse(f"name+{text}")
