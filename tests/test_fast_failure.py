"""Usage errors and help pages import no large library, so that every command line answers at once."""

import pytest

from benchmarks.fast_failure import answer, cases, command_lines

CASES = [(name, case) for name in command_lines() for case in cases(name)]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_usage_errors_and_help_import_no_large_library(name, case):
    result = answer(command_lines()[name], cases(name)[case])
    assert result.imported == ()
    assert "Traceback" not in result.text
    if case == "help":
        assert result.exit_code == 0
    else:
        assert result.exit_code in (1, 2)
        assert result.text
