"""What is asked of scripts/karyotype.py, before a model is loaded."""

from pathlib import Path

import pytest

from cytogenetics.cells.cell_settings import KaryotypeConfig
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest, PictureFolders
from cytogenetics.trained.pictures import BUILT_IN_CUTTER, BUILT_IN_DETECTOR, BUILT_IN_REFINER
from karyocyte.common.errors import UserError


def test_without_a_name_the_output_is_where_git_does_not_track_it(tmp_path):
    assert KaryotypeRequest.read([str(tmp_path)]).folder == Path("outputs", "karyotypes", tmp_path.name)


def folders(**named):
    """The networks of pictures that are used where these are named."""
    return PictureFolders.of(KaryotypeConfig(**{kind: str(folder) for kind, folder in named.items()}))


def test_the_built_in_networks_are_used_unless_there_is_to_be_none_the_refiner_with_its_detectors():
    assert (folders().cutter, folders(cutter="none").cutter) == (BUILT_IN_CUTTER, None)
    assert folders().refiner == BUILT_IN_REFINER
    assert folders(refiner="none").refiner is None
    assert folders(detector=BUILT_IN_DETECTOR).refiner is None
    named = folders(detector=BUILT_IN_DETECTOR, refiner=BUILT_IN_REFINER)
    assert (named.refiner, list(named.detectors)) == (BUILT_IN_REFINER, [BUILT_IN_DETECTOR])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([f"refiner={BUILT_IN_CUTTER}"], "is no refiner: name a run of --config-name refiner"),
        ([f"detector={BUILT_IN_REFINER}"], "is no detector: name a run of --config-name detector"),
        ([f"cutter={BUILT_IN_DETECTOR}"], "is no cutter: name a run of --config-name cutter"),
        (["input=chromosomes", f"refiner={BUILT_IN_REFINER}"], "has no effect on single chromosomes"),
    ],
)
def test_a_network_of_another_kind_or_without_effect_is_refused(tmp_path, words, error):
    with pytest.raises(UserError, match=error):
        KaryotypeRequest.read([str(tmp_path), *words])
