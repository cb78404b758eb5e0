import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from evaluation.comparison.submission import INNER_NAME, parse_codes, submission_lines, write_submission

CODES = {"all": "1", "hem": "0"}


def paths(numbers):
    return [f"C-NMC_test_final_phase_data/{number}.bmp" for number in numbers]


@given(st.permutations(range(1, 24)))
def test_lines_go_by_the_numbers_whatever_the_order_of_the_files(numbers):
    called = ["all" if number % 3 else "hem" for number in numbers]
    lines = submission_lines(paths(numbers), called, CODES)
    assert lines == ["1" if number % 3 else "0" for number in range(1, 24)]
    assert submission_lines(["02.bmp", "1.bmp"], ["hem", "all"], CODES) == ["1", "0"]


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ([1, 2, 4, 5, 7], "image 3, 6 of 1 to 7 is missing"),
        ([2, 3], "image 1 of 1 to 3 is missing"),
        ([0, 1, 2], "there is an image 0"),
        ([1, 2, 2], "two images of the number 2"),
        ([1, "UID_2_all"], "UID_2_all.bmp: a submission goes by the numbers"),
        ([1, *range(10, 40)], r"image 2, 3, 4, 5, 6, ... of 1 to 39 is missing"),
    ],
)
def test_what_is_not_whole_is_an_error(numbers, fault):
    with pytest.raises(UserError, match=fault):
        submission_lines(paths(numbers), ["all"] * len(numbers), CODES)


def test_codes_are_one_for_the_positive_class_by_default():
    assert parse_codes([], ("hem", "all"), "all") == {"hem": "0", "all": "1"}
    assert parse_codes([], ("hem", "all"), "hem") == {"hem": "1", "all": "0"}
    assert parse_codes(["all=ALL", "hem=HEM"], ("hem", "all"), "all") == {"all": "ALL", "hem": "HEM"}


@pytest.mark.parametrize("pairs", [["all=1"], ["all=1", "hem=1"], ["all=1", "hem="], ["all=1", "hem=0", "x=2"]])
def test_codes_that_do_not_tell_the_classes_apart_are_an_error(pairs):
    with pytest.raises(UserError, match="give each class one code of its own: --codes hem=<code> all=<code>"):
        parse_codes(pairs, ("hem", "all"), "all")


def test_more_than_two_classes_need_their_codes():
    with pytest.raises(UserError, match="add --codes a=... b=... c=..."):
        parse_codes([], ("a", "b", "c"), None)


def test_the_file_has_one_code_per_line_alone_or_in_a_zip(tmp_path):
    write_submission(tmp_path / "isbi_valid.predict", ["1", "0", "1"])
    assert (tmp_path / "isbi_valid.predict").read_bytes() == b"1\n0\n1\n"
    write_submission(tmp_path / "answer.zip", ["1", "0"])
    with zipfile.ZipFile(tmp_path / "answer.zip") as archive:
        assert archive.namelist() == [INNER_NAME] == ["isbi_valid.predict"]
        assert archive.read(INNER_NAME) == b"1\n0\n"
    with pytest.raises(UserError, match="is there already"):
        write_submission(tmp_path / "answer.zip", ["1"])
