"""The embedded default: deterministic, and neither trivial nor hopeless."""

import numpy as np

from datamodules.io.decode import read_image
from datamodules.sources.synthetic_cells import draw_image
from karyocyte.config.sources import SyntheticConfig
from tests.helpers.sources import scan

SMALL = SyntheticConfig(source="synthetic", positive_class="all", images=14, subjects=4, size=48)


def test_every_image_is_a_pure_function_of_settings_and_number(tmp_path):
    manifest = scan(SMALL, None, tmp_path)
    for number in (13, 0, 5):
        assert np.array_equal(read_image(manifest.file(number)), draw_image(SMALL, number))
    more = SMALL.model_copy(update={"images": 100})
    assert np.array_equal(draw_image(more, 13), draw_image(SMALL, 13))
    other_seed = SMALL.model_copy(update={"seed": 1})
    assert not np.array_equal(draw_image(other_seed, 13), draw_image(SMALL, 13))
