"""How a user's mistake is reported."""

import pytest

from common.cli import report_user_errors
from common.errors import UserError


@report_user_errors()
def stumble():
    raise UserError("data_dir=/nowhere: no such folder")


def test_a_mistake_is_one_line_and_exit_code_1(capsys):
    with pytest.raises(SystemExit) as caught:
        stumble()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: data_dir=/nowhere: no such folder\n"


def test_the_traceback_is_there_when_asked_for(monkeypatch):
    monkeypatch.setenv("KARYOCYTE_TRACEBACK", "1")
    with pytest.raises(UserError):
        stumble()


def test_other_errors_go_through():
    with pytest.raises(ZeroDivisionError), report_user_errors():
        1 / 0  # noqa: B018
