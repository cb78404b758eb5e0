import pytest
from pydantic import ValidationError

from evaluation.cells.prior import KaryotypePriors


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trisomy": {"X": 0.001}}, "X is no autosome"),
        ({"sex_chromosomes": {"X": 0.001}}, "XXY"),
        ({"referral": 2000}, "2000"),
        ({"loss": 1.5}, "less than 1"),
    ],
)
def test_priors_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        KaryotypePriors(**values)
