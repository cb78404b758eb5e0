"""The sections of users are checked before a training."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.pooling.sections import own_sections
from karyocyte.evaluation.run.evaluate import SECTIONS
from karyocyte.evaluation.types.result import EvaluationResult

WRONG = "karyocyte.evaluation.sections.examples.wrong"  # which gives no value
PARTS = "karyocyte.evaluation.breakdowns.by_part.by_part"  # which gives one


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"_target_": WRONG, "names": 3}, "unexpected keyword argument 'names'; correct"),
        ({"_target_": "math.pi"}, "Expected a callable target"),
        ({"_target_": PARTS}, "no field for its value"),
        ({"_target_": "absent.module.function"}, "No module named 'absent.*; correct"),
    ],
)
def test_a_function_that_does_not_fit_is_one_error(entry, message):
    assert list(own_sections(EvaluationConfig(extra={"own": {"_target_": WRONG}}))) == ["own"]
    with pytest.raises(UserError, match=rf"evaluation\.extra\.own: .*{message}"):
        own_sections(EvaluationConfig(extra={"own": entry}))


def test_sections_are_fields_of_the_result_but_for_those_without_a_value():
    fields = set(EvaluationResult.__dataclass_fields__)
    assert SECTIONS.keys() - fields == {"figures", "wrong"}
