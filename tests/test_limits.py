"""The limits of the code base: what a training loads, and which functions are complex."""

from karyocyte.common.paths import ROOT
from tests.structure.structure import SMOKE, CodeBase, count_lines

CODE = CodeBase()
LOADED_LINES = 1.05 * 15_365  # of a smoke training, whatever names its modules
# Those of complexity above 10: this list only gets shorter.
COMPLEX_FUNCTIONS = ROOT / "tests" / "complex_functions.txt"
# What is loaded is the same on less data.
SMALLER = ("data.images=48", "data.subjects=12", "data.size=64", "prepare.size=72", "evaluation.resamples=20")


def test_a_training_loads_little():
    remedy = "import what few trainings need in the function that needs it, or raise LOADED_LINES and say why"
    assert count_lines(CODE.loaded_by(*SMOKE, *SMALLER)) <= LOADED_LINES, remedy


def test_only_listed_functions_are_complex():
    listed = COMPLEX_FUNCTIONS.read_text(encoding="utf-8").splitlines()
    assert sorted(CODE.complex_functions()) == listed, "split a function that is not listed; delete one that has left"
