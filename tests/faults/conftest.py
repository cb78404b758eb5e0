"""Counts of the faults that are tried, by their kind, written to a CSV file that KARYOCYTE_FAULTS_CSV names."""

import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from karyocyte.common.files import write_csv
from karyocyte.common.revision import revision

TRIED: Counter[tuple[str, str]] = Counter()
SURVIVED: Counter[tuple[str, str]] = Counter()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Count a case by its test and, where it has one, by the text among its parameters: the command, or the change."""
    outcome = yield
    if item.path.name == "test_faults.py" and hasattr(item, "callspec"):
        texts = [value for value in item.callspec.params.values() if isinstance(value, str)]
        case = item.originalname.removeprefix("test_").replace("_", " "), texts[0] if texts else ""
        TRIED[case] += 1
        SURVIVED[case] += outcome.excinfo is None


def pytest_sessionfinish():
    place = os.environ.get("KARYOCYTE_FAULTS_CSV")
    if place and TRIED:
        rows = [(*case, count, SURVIVED[case], revision()[:12]) for case, count in TRIED.items()]
        write_csv(Path(place), pd.DataFrame(rows, columns=["fault", "on", "cases", "survived", "revision"]))
