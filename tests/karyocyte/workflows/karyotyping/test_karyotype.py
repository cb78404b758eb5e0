"""The images that networks are adapted to before cells are named."""

from datamodules.inference.cells import find_cells
from karyocyte.common.composition.compose import compose_config
from karyocyte.workflows.karyotyping.run import _adapt
from tests.helpers.chromosomes import NUMBERS, bar
from tests.helpers.images import write_image


class RecordingPredictor:
    """Records the names of the files that it is adapted to."""

    adapts = True
    prepare = compose_config(["+experiment=chromosomes"]).prepare

    def adapt(self, sample, pool):
        self.names = {file.file.name for files in sample for file in files}
        return []


def test_networks_are_adapted_to_the_files_that_an_expert_counts_as_chromosomes(tmp_path):
    for number in NUMBERS:
        write_image(tmp_path / "cell" / f"{number}.png", bar(number))
    write_image(tmp_path / "cell" / "large.png", bar(1, scale=6.0))
    cells = find_cells(tmp_path / "cell", tmp_path / "cache", progress=False).cells
    predictor = RecordingPredictor()
    chromosomes = {f"{number}.png" for number in NUMBERS}
    _adapt(predictor, cells, [{}])
    assert predictor.names == chromosomes
    _adapt(predictor, cells, [{"5.png": "none", "large.png": "1"}])
    assert predictor.names == (chromosomes - {"5.png"}) | {"large.png"}
