import pytest

from common.text import counted


@pytest.mark.parametrize(("count", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (1234, "1,234 cells")])
def test_numbers_of_things(count, text):
    assert counted(count, "cell") == text
