"""The settings of experiments that are ours, as the comments of conf/experiment/ mark them, and not the paper's."""

import re
from collections.abc import Iterable

import pandas as pd

from karyocyte.common.paths import CONF

OURS = re.compile(r"^ *(?:- )?(?P<setting>[^#]+?) +# (?P<remark>.*\bours\b.*)$")


def our_choices(experiments: Iterable[str]) -> pd.DataFrame:
    """Return the marked settings of experiments: ``setting``, ``remark`` and number of ``experiments``, a row each."""
    found: dict[tuple[str, str], set[str]] = {}
    for name in experiments:
        for line in (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
            marked = OURS.match(line)
            if marked:
                key = marked["setting"], marked["remark"]
                found.setdefault(key, set()).add(name)
    rows = [{"setting": key, "remark": remark, "experiments": len(of)} for (key, remark), of in found.items()]
    return pd.DataFrame(rows, columns=["setting", "remark", "experiments"])
