"""The limits of the code base, which fall or stay; what a user adds to a checkout may exceed them."""

from benchmarks.structure import SMOKE, CodeBase, count_code, count_lines
from karyocyte.common.paths import ROOT

CODE = CodeBase()
LOADED_LINES = 15_365  # of a smoke training, whatever names its modules
# Each number falls or stays: where something new does not fit, something else leaves, or the new thing does.
LINES = {
    "lines of the core and benchmarks": 31_000,
    "lines of packages/cytogenetics": 9_490,
    "lines of tests of the core": 22_900,
    "lines of tests of packages/cytogenetics": 6_800,
}
# Those of complexity above 10: this list only gets shorter.
COMPLEX_FUNCTIONS = ROOT / "tests" / "complex_functions.txt"
# What is loaded is the same on less data.
SMALLER = ("data.images=48", "data.subjects=12", "data.size=64", "prepare.size=72", "evaluation.resamples=20")


def test_a_training_loads_little():
    assert count_lines(CODE.loaded_by(*SMOKE, *SMALLER)) <= LOADED_LINES


def test_code_and_tests_do_not_grow():
    counted = count_code(CODE)
    assert {name: counted[name] for name in LINES if counted[name] > LINES[name]} == {}


def test_only_listed_functions_are_complex():
    assert sorted(CODE.complex_functions()) == COMPLEX_FUNCTIONS.read_text(encoding="utf-8").splitlines()
