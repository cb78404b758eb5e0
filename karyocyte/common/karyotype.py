"""The names of the 24 chromosomes, and of the two classes of karyograms."""

import re
from typing import Final

AUTOSOMES = tuple(map(str, range(1, 23)))
CHROMOSOMES = (*AUTOSOMES, "X", "Y")
NORMAL: Final = "normal"
ABNORMAL: Final = "abnormal"
KARYOGRAM_SOURCES = ("karyograms", "composed_karyograms")  # data sources of whole sheets
_NUMBERED = {"23": "X", "24": "Y"}


def class_of(text: str) -> str | None:
    """Return the class, "1" to "22", "X" or "Y", that a label or a folder's name means; None where it is none."""
    name = re.sub(r"^chr", "", text.strip(), flags=re.IGNORECASE).upper()
    if name.isdecimal():
        name = name.lstrip("0")
    name = _NUMBERED.get(name, name)
    return name if name in CHROMOSOMES else None
