"""The functions of evaluation.sections and evaluation.pictures are checked before a training."""

import pytest

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.sections import check_sections

PARTS = "evaluation.breakdowns.by_part.by_part"


@pytest.mark.parametrize(
    ("key", "name", "entry", "message"),
    [
        ("sections", "by_part", {"_target_": PARTS, "names": 3}, "unexpected keyword argument 'names'; correct"),
        ("sections", "by_part", {"_target_": "math.pi"}, "not a callable object; correct"),
        ("sections", "own", {"_target_": PARTS}, "has no field own .* name it by_part, baseline"),
        ("sections", "test", {"_target_": PARTS}, "has no field test for the section's value"),
        ("pictures", "own", {"_target_": PARTS}, "too many positional arguments; correct"),
        ("pictures", "own", {"_target_": "absent.module.function"}, "No module named 'absent'; correct"),
    ],
)
def test_a_function_that_does_not_fit_is_one_error(key, name, entry, message):
    check_sections(EvaluationConfig())
    with pytest.raises(UserError, match=rf"evaluation\.{key}\.{name}: .*{message}"):
        check_sections(EvaluationConfig(**{key: {name: entry}}))
