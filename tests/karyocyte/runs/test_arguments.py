"""Errors of arguments name the path."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.runs.arguments import number_list


def test_a_list_of_numbers_has_different_numbers_alone():
    assert number_list("0,2,10", "--seeds") == (0, 2, 10)
    assert number_list(None, "--seeds") is None
    for text in ("", "0,", "a", "-1", "0,0", "0 1"):
        with pytest.raises(UserError, match="--seeds"):
            number_list(text, "--seeds")
