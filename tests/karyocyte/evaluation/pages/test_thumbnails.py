import numpy as np
import pytest

from karyocyte.evaluation.pages.thumbnails import BATCH, read_pictures, write_pictures
from tests.helpers.images import decoded


@pytest.mark.parametrize("count", [0, BATCH + 3])
def test_pictures_are_read_by_their_names_in_the_size_asked_for(tmp_path, count):
    images = [np.full((40, 80, 3), (number % 200, 10, 10), np.uint8) for number in range(count)]
    names = [f"image {number}" for number in range(count)]
    write_pictures(tmp_path / "thumbnails.parquet", names, iter(images), 20)
    pictures = read_pictures(tmp_path / "thumbnails.parquet")
    assert list(pictures) == names
    for name in names[-1:]:
        last = decoded(pictures[name])
        assert last.shape == (10, 20, 3)
        assert abs(last.astype(int) - images[-1][:10, :20]).max() <= 8
