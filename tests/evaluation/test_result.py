"""Tests of the dataclasses of an evaluation and their JSON."""

import pytest

from common.errors import UserError
from evaluation.result import EvaluationResult, EvaluationWarning


@pytest.mark.parametrize(
    ("line", "topic"),
    [
        ("validation: AUC is undefined", "validation"),
        ("another set: a note: with a colon", "another set"),
        ("cells are not assigned: no cells", ""),
        ("the ensemble was fitted on its 8 validation images", ""),
    ],
)
def test_a_warning_is_read_as_it_was_written(line: str, topic: str) -> None:
    warning = EvaluationWarning.parse(line)
    assert warning.topic == topic
    assert str(warning) == line


def test_a_file_without_metrics_is_named_by_its_first_missing_key() -> None:
    with pytest.raises(UserError, match="about"):
        EvaluationResult.from_dict({})
