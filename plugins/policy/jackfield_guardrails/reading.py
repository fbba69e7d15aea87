"""Texts as somebody reads them who is not to be deceived: in plain small letters, and in the ways they may be meant.

Letters of all forms become plain ones (NFKD and case folding), accents and invisible characters go. What is still
written to be overlooked is read again: with letters of other alphabets for those that they look like, digits for
letters, letters apart, backwards.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Final

from jackfield_guardrails.patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSEEN: Final = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3099\u309a\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]+"
)
"""Accents, and characters of which nothing is seen."""

_WIDE: Final = re.compile(r"[^\S\n]{2,}|\t")
_QUOTES: Final = (("\u2019", "'"), ("\u2018", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2010", "-"), ("\u2011", "-"))


_SLICE: Final = 128
"""Characters that are decomposed at a time: putting marks on one letter in order takes time by the square of them."""


def plain(text: str) -> str:
    """*text* in plain small letters; its characters may be more or fewer."""
    return text.lower() if text.isascii() else _bare(_decomposed(text))


def narrow(read: str) -> str:
    """*read* without wide spaces."""
    return _WIDE.sub(" ", read) if "  " in read or "\t" in read else read


def _decomposed(text: str) -> str:
    """*text* in NFKD; only the order of what stands on one letter may be another."""
    return "".join(
        [unicodedata.normalize("NFKD", text[start : start + _SLICE]) for start in range(0, len(text), _SLICE)]
    )


def _bare(decomposed: str) -> str:
    bare = _UNSEEN.sub("", decomposed).casefold()
    for odd, usual in _QUOTES:
        bare = bare.replace(odd, usual)
    return bare


def _table() -> dict[int, str]:
    alike = {
        # Cyrillic
        "АВСЕНІЈКМОРЅТХУ": "abcehijkmopstxy",
        "авсԁеғһніјкӏмпоѻрԛгѕтуүѵԝшхьяиц": "abcdefhhijklmnoopqrstyyvwwxbrnu",
        # Greek
        "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ": "abezhikmnoptyx",
        "αβεηικνορςτυχγωμζϲϳδλ": "abenikvopstuxywuzcjdl",
        # Armenian, Cherokee, small capitals
        "օոսհցաԁ": "onuhgwd",
        "ᎠᎡᎢᎥᎫᎳᎷᎻᏀᏃᏚᏞᏟᏢᎬᎪᏔᏙᏦᏴ": "drtijwmhgzslcpeawvkb",
        "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡıɩǀ": "abcdefghijklmnoprstuvwyzagiil",
    }
    table = {ord(odd): letter for odds, letters in alike.items() for odd, letter in zip(odds, letters, strict=True)}
    for first in (0x1F150, 0x1F170, 0x1F1E6):  # letters in black circles and squares, of flags
        table |= {first + number: chr(ord("a") + number) for number in range(26)}
    return table


_ALIKE: Final = _table()
_OTHER: Final = r"\x{370}-\x{3ff}\x{400}-\x{52f}\x{531}-\x{587}\x{13a0}-\x{13ff}\x{ab70}-\x{abbf}"
_ALONE: Final = (
    r"\x{1d00}-\x{1d22}\x{a730}\x{a731}\x{299}\x{262}\x{29c}\x{26a}\x{29f}\x{274}\x{280}\x{28f}"
    r"\x{1f150}-\x{1f189}\x{1f1e6}-\x{1f1ff}"
)
_MIXED: Final = Pattern(f"[a-z][{_OTHER}]|[{_OTHER}][a-z]|[{_ALONE}]")
"""Letters of two alphabets in one word, and those that stand in no word."""

_DIGITS: Final = str.maketrans("013457@$", "oieastas")
_DIGITS_L: Final = str.maketrans("013457@$", "oleastas")
_LEET: Final = r"(?:[a-z][013457]{1,3}[a-z]|\b[013457]{1,2}[a-z]{2}|[a-z]{2}[013457]{1,2}\b)"
_LEETS: Final = rf"{_LEET}.*?{_LEET}.*?{_LEET}"
"""One such word is a name, a unit or an ordinal."""

_APART: Final = r"(?:\b[a-z0-9][^a-z0-9\n]{1,3}){7}"
_RUN: Final = re.compile(r"(?<![^\W_])(?:[^\W_](?:[^\w\n]|_){1,3}){6,}[^\W_](?![^\W_])")
_SEPARATOR: Final = re.compile(r"(?:[^\w\n]|_)+")
_PARTS: Final = re.compile(r"(?:[^\w\n]|_)+|[^\W_]+")
RUNS_MAX: Final = 64
"""Runs of single letters in one text that are put together."""

RUN_MAX: Final = 2048
"""Characters of one of them."""

_BACKWARDS: Final = (
    r"snoitcurtsni|tpmorp|suoiverp|drageisid|erongi\b|senilediug|noitcirtser|nekaerbliaj|selur\b.{0,40}\btegrof"
)

_ODDITIES: Final = Pattern(f"(?s){_LEETS}|{_BACKWARDS}")
_LEETED: Final = Pattern(f"(?s){_LEETS}")
_BACK: Final = Pattern(f"(?s){_BACKWARDS}")
_SPREAD: Final = Pattern(_APART)


def readings(text: str, read: str, data: bytes) -> Iterator[str]:
    """Other ways to read *text*, in plain letters.

    Parameters:
        text: As it is.
        read: What ``plain`` made of it.
        data: That in UTF-8.
    """
    if not text.isascii() and _MIXED.search(data, 0) is not None:
        yield _bare(_decomposed(text).translate(_ALIKE))
    if _ODDITIES.search(data, 0) is None:
        return
    if _LEETED.search(data, 0) is not None:
        yield read.translate(_DIGITS)
        if "1" in read:
            yield read.translate(_DIGITS_L)
    if _BACK.search(data, 0) is not None:
        yield read[::-1]


def together(read: str, data: bytes) -> Iterator[str]:
    """Words whose letters stand apart in *read*: with the spaces that can be told, and without any."""
    if _SPREAD.search(data, 0) is None:
        return
    for run in islice(_RUN.finditer(read), RUNS_MAX):
        letters = run[0][:RUN_MAX]
        [(usual, _)] = Counter(_SEPARATOR.findall(letters)).most_common(1)
        joined = "".join(
            ["" if part == usual else " " if _SEPARATOR.match(part) else part for part in _PARTS.findall(letters)]
        )
        yield joined
        if " " in joined:
            yield joined.replace(" ", "")
