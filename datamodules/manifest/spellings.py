"""Names that mean the same to a person: they differ by case, leading zeros, spaces or invisible characters."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from karyocyte.common.text import natural_key

NAMES = {"label": "classes", "subject": "subjects", "part": "parts", "group": "groups"}  # columns of a manifest
# Letters of Cyrillic and Greek that print as Latin ones; dashes and quotes that word processors put in.
_LOOK_ALIKE = str.maketrans(
    "АВЕІЈКМНОРСЅТУХаеіјорсѕухΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυı‐‒–—―−‘’`“”",  # noqa: RUF001
    "ABEIJKMHOPCSTYXaeijopcsyxABEZHIKMNOPTYXaivopui------'''\"\"",
)
# A joiner, blanks that are letters to Unicode, and what selects one of several pictures of a sign.
_UNSEEN = {"\u034f", "\u115f", "\u1160", "\u3164", *map(chr, range(0xFE00, 0xFE10))}
# As programs write what is unknown.
_ABBREVIATIONS = ("na", "n/a", "n.a.", "<na>", "nan", "nat", "unk", "nil", "null", "none")
_WORDS = ("unknown", "undefined", "missing", "not available", "not applicable")
# Errors of spreadsheets in any language, such as #REF!, #NAME?, #DIV/0!, #N/A, #NV and Err:502.
_SPREADSHEET_ERROR = r"(?i:#[\w/]+[!?]|#n/?[avd]|err:\d{3})|#[A-ZÀ-ÖØ-Þ/_]{2,}"  # and #GETTING_DATA
# What they make of a name such as 123E45, 1-2 or MARCH1.
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_SPREADSHEET_CHANGE = rf"\d[.,]\d+e\+\d+|\d{{1,2}}-(?:{_MONTHS})|(?:{_MONTHS})-\d{{2}}"
_UNKNOWN = (*_ABBREVIATIONS, *_WORDS, "?", "??", "-", "--", ".")


def meaning(name: str) -> str:
    """Return what all spellings of a name have in common.

    They may differ by case, Unicode form and width, letters that print alike, invisible characters, the kind of dashes
    and quotes, the kind and number of spaces, leading zeros of a number ("P01") and decimals without a value ("7.0" and
    "7,0").
    """
    text = _visible(unicodedata.normalize("NFKC", name)).casefold()
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    text = re.sub(r"(?<=\d)[.,]0+$", "", text)
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def _visible(name: str) -> str:
    """Return what is seen of a name, those of letters that print alike as the Latin ones."""
    seen = (letter for letter in name if unicodedata.category(letter) not in ("Cf", "Cc") and letter not in _UNSEEN)
    return "".join(seen).translate(_LOOK_ALIKE)


def spellings(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of two or more names that mean the same, in natural order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names), key=natural_key):
        groups[meaning(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def quotation(group: Iterable[str]) -> str:
    """Return a group of spellings for a message: "P1" and "P01"; with code points where they print alike."""
    names = list(group)
    shown = [_visible(unicodedata.normalize("NFC", name)).strip() for name in names]
    visible = {"".join(letter for letter in name if letter.isprintable()) for name in shown}
    if len(visible) < len(names):
        names = [name.encode("unicode_escape").decode() for name in names]
    return " and ".join(f'"{name}"' for name in names)


def describe_spellings(frame: pd.DataFrame) -> list[str]:
    """Return a line per column whose names may mean the same."""
    lines = []
    for column, what in NAMES.items():
        groups = spellings(frame[column].dropna())
        if groups:
            shown = "; ".join(map(quotation, groups[:3]))
            more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
            remedy = "write them alike, or say alike_names=distinct"
            lines.append(f"{what} that may be the same: {shown}{more}: {remedy}")
        names = frame[column].dropna().astype(str)
        if changed := sorted(set(names[names.str.casefold().str.fullmatch(_SPREADSHEET_CHANGE)])):
            shown = ", ".join(changed[:3])
            lines.append(f"{what} that a spreadsheet may have changed: {shown}: compare them with the original table")
    return lines


def is_unknown(names: pd.Series) -> pd.Series:
    """Return which names, text without None, are words for what is unknown; a minus beside a plus is none."""
    words = set(_UNKNOWN) - ({"-"} if (names == "+").any() else set())
    plain = names.str.strip()
    return plain.str.casefold().isin(words) | plain.str.fullmatch(_SPREADSHEET_ERROR)


def describe_unknown(subjects: pd.Series) -> list[str]:
    """Return a line where subjects are called as programs write what is unknown: they would all be one person."""
    unknown = subjects[is_unknown(subjects)]
    if unknown.empty:
        return []
    shown = ", ".join(f'"{name}"' for name in sorted(set(unknown)))
    return [f"{len(unknown):,} images are of the subject {shown}, one person: leave it empty where it is unknown"]
