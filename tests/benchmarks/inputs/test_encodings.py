"""Encodings of a picture: none is read wrongly without a word, and a reader that does so is found."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.inputs import encoded, encodings

GRAY = np.add.outer(np.arange(80), 2 * np.arange(70)).astype(np.uint8)
RGB = np.dstack([GRAY, 255 - GRAY, GRAY // 2])
READERS = ["train", "predict", "karyotype"]


def test_each_encoding_is_read_or_refused_by_all_readers_alike(tmp_path):
    table = encodings.read(RGB, GRAY, tmp_path)
    assert not (table[READERS] == encodings.SILENT).any(axis=None)
    assert table["train"].equals(table["karyotype"])
    assert (table["train"] == encodings.REFERENCE).sum() >= 36


@pytest.mark.parametrize("reference", [255 - RGB, RGB[1:], None], ids=["inverted", "another size", "undefined"])
def test_another_picture_than_the_reference_is_found(tmp_path, reference):
    (tmp_path / "a.png").write_bytes(encoded.pil(Image.fromarray(RGB), "PNG"))
    assert encodings.outcome(tmp_path / "a.png", reference, "black") == encodings.SILENT
