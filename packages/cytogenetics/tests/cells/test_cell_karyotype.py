"""What is reported of a cell: karyotype, doubts, reasons to refer it."""

import numpy as np
import pytest

from cytogenetics.cells.cell_karyotype import IMPLAUSIBLE, implausible, karyotype_of_cell
from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.cells.posterior import LARGEST, SMALLEST
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype
from packages.cytogenetics.tests.cells.test_assignment import sure

NAMING = NamingSettings(KaryotypePriors(), 0.95, False)


def named(labels, fixed=None, refer_below=0.95, **changes):
    logs = sure(labels, wrong=1e-5)
    for row, probabilities in changes.items():
        logs[int(row.removeprefix("row"))] = np.log(probabilities)
    return karyotype_of_cell(logs, fixed or {}, NamingSettings(KaryotypePriors(), refer_below, False))


def between(first, second, share=0.5):
    """Return probabilities that are divided between two classes."""
    probabilities = np.full(24, 1e-5)
    probabilities[CLASSES.index(first)] = share
    probabilities[CLASSES.index(second)] = 1 - share
    return probabilities


@pytest.mark.parametrize(
    ("labels", "iscn", "missing", "referred"),
    [
        (karyotype("XX"), "46,XX", (), False),
        (karyotype("XY"), "46,XY", (), False),
        (karyotype("XY", extra=["18"]), "47,XY,+18", (), False),
        (karyotype("XXY"), "47,XXY", (), False),
        (karyotype("XYY"), "47,XYY", (), False),
        (karyotype("XXX"), "47,XXX", (), False),
        (karyotype("X"), "45,X", ("X or Y",), True),
        (karyotype("XX", lost=["20"]), "45,XX,-20", ("20",), True),
        (karyotype("XY", lost=["1", "4", "4"]), "43,XY,-1,-4,-4", ("1", "4", "4"), True),
    ],
)
def test_sure_cells(labels, iscn, missing, referred):
    cell = named(labels)
    assert cell.karyotype.iscn == iscn
    assert cell.missing == missing
    assert bool(cell.reasons) == referred
    assert [call.assigned for call in cell.calls] == [CLASSES[label] for label in labels]
    assert cell.doubtful == 0
    assert all(call.alone == call.assigned for call in cell.calls)


def test_a_divided_chromosome_is_doubtful_and_the_cell_is_referred():
    labels = karyotype("XY", extra=["18"])
    row = int(np.flatnonzero(labels == CLASSES.index("18"))[0])
    cell = named(labels, refer_below=0.999, **{f"row{row}": between("18", "4", 0.3)})
    call = cell.calls[row]
    assert (call.assigned, call.runner_up, call.alone) == ("18", "4", "4")
    assert call.alone_probability == pytest.approx(0.7, abs=0.01)
    assert (call.question, cell.calls[row - 1].question) == ("4?", "")
    assert cell.probability < 0.999
    assert named(labels, refer_below=cell.probability, **{f"row{row}": between("18", "4", 0.3)}).reasons == ()
    assert cell.reasons[0].startswith("it may be 47,XY,+4")
    assert [candidate.karyotype.iscn for candidate in cell.candidates[:2]] == ["47,XY,+18", "47,XY,+4"]


@pytest.mark.parametrize("count", [0, 1, SMALLEST - 1, LARGEST + 1, 500])
def test_impossible_sizes_have_no_karyotype_but_classes_alone(count):
    labels = np.arange(count) % 24
    cell = named(labels, {0: 5} if count else None)
    assert cell.karyotype is None
    assert cell.probability is None
    assert cell.missing == ()
    assert len(cell.reasons) == 1
    expected = [CHROMOSOMES[label] for label in labels]
    assert [call.assigned for call in cell.calls] == (["6", *expected[1:]] if count else [])


@pytest.mark.parametrize(("count", "said"), [(11, False), (12, True)])
def test_more_than_a_quarter_of_implausible_images_is_a_reason(count, said):
    logs = sure(karyotype("XX", lost=["1", "2"]), wrong=1e-5)
    logs[:count] = np.log(1 / 24)
    assert len(logs) == 44
    assert f"for {count - 1} of 44" in karyotype_of_cell(logs, {0: 4}, NAMING).reasons[0]  # an expert has named one
    reasons = karyotype_of_cell(logs, {}, NAMING).reasons
    (reason,) = [reason for reason in reasons if reason.startswith(f"no class is probable for {count} of 44")]
    assert ("does not fit" in reason) == said


def test_implausible_images_and_a_cell_that_the_model_does_not_fit():
    logs = sure(karyotype("XX"))
    logs[3] = np.log(1 / 24)
    assert np.flatnonzero(implausible(logs)).tolist() == [3]
    at_a_loss = np.full((46, 24), np.log(1 / 24))
    assert not implausible(at_a_loss).any()
    assert "46 of 46 images" in karyotype_of_cell(at_a_loss, {}, NAMING).reasons[0]
    probabilities = np.full(24, (1 - IMPLAUSIBLE - 0.01) / 23)
    probabilities[0] = IMPLAUSIBLE + 0.01
    logs[3] = np.log(probabilities)
    assert not implausible(logs).any()
    assert implausible(np.zeros((0, 24))).shape == (0,)


@pytest.mark.parametrize(("sexes", "missing"), [("XXYY", ()), ("XXXY", ()), ("Y", ("X",)), ("", ("X or Y", "X or Y"))])
def test_sex_chromosomes_that_are_missing(sexes, missing):
    labels = karyotype(sexes)
    cell = named(labels, dict(enumerate(labels.tolist())))
    assert cell.missing == missing
    assert ("a single Y: an X was lost" in cell.reasons) == (sexes == "Y")


@pytest.mark.parametrize("count", [5, 46])
def test_a_fixed_class_is_certain(count):
    call = named(karyotype("XX")[:count], {3: CLASSES.index("9")}).calls[3]
    assert call.assigned == "9"
    assert call.fixed
    assert not call.is_contradicted  # by its image, which shows another class
    assert not call.doubtful
    assert call.probability == pytest.approx(1.0)
