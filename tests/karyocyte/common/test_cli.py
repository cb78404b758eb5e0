"""How errors of the user are reported."""

import io
from traceback import format_exception

import pytest

from karyocyte.common.cli import report_user_errors
from karyocyte.common.errors import RepeatedError, UserError
from karyocyte.config.python_words import in_python_words


@report_user_errors()
def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("data_dir=/nowhere: no such folder"), 1, "error: data_dir=/nowhere: no such folder\n"),
        (RepeatedError("another process reports it"), 1, ""),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), 1, "error: a.csv: No such file or directory\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_an_exit_code(capsys, error, code, line):
    with pytest.raises(SystemExit) as caught:
        fail(error)
    assert caught.value.code == code
    assert capsys.readouterr().err == line


def test_a_log_that_is_not_utf_8_gets_question_marks(monkeypatch):
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", log)
    report_user_errors()(lambda: print("of “cats”"))()
    log.flush()
    assert log.buffer.getvalue() == b"of ?cats?\n"


def test_other_errors_are_raised_and_the_traceback_on_request(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())
    monkeypatch.setenv("KARYOCYTE_TRACEBACK", "1")
    with pytest.raises(UserError):
        fail(UserError("data_dir=/nowhere"))
    with pytest.raises(UserError) as refusal, in_python_words({}):
        raise UserError("data_dir=/nowhere")
    assert isinstance(refusal.value.__cause__, UserError)
    assert refusal.value._render_traceback_() == format_exception(refusal.value)
