import numpy as np
import pytest

from common.config.data import PrepareConfig
from common.errors import UserError
from datamodules.io.decode import read_image
from datamodules.preprocessing.pipeline import prepare_image, to_shape
from datamodules.sources import scan
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.sheets import karyogram_config, toy_sheet, write_karyograms
from tests.helpers.training import small_config
from workflows.explain.masks import AbnormalityMasks, prepare_mask

SHEET, BOXES = toy_sheet(3)


def marked(number: int) -> tuple[np.ndarray, np.ndarray]:
    """The toy sheet with the ink of one box drawn darker than all other, and where that is."""
    x, y, width, height = BOXES[number]
    inside = np.zeros(SHEET.shape[:2], bool)
    inside[y : y + height - 4, x : x + width] = True
    mask = inside & (SHEET[..., 0] < 200)
    image = np.where(SHEET < 200, 120, SHEET).astype(np.uint8)
    image[mask] = 0
    return image, mask.astype(np.uint8) * 255


CONFIGS = {
    "stretched": {"fit": "stretch", "size": (90, 110)},
    "stretched, augmented at another size": {"fit": "stretch", "size": 80, "augment_at": 120},
    "inverted and squared": {"fit": "square", "size": 150, "background": "detect"},
    "inverted, cropped and squared": {
        "fit": "square", "size": 140, "crop": True, "crop_threshold": 20, "background": "detect",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("number", [0, 8, 17])
def test_mask_is_prepared_like_its_image(name, number):
    """The marked bar alone is black (white where inverted): it is prepared again by its gray value."""
    config = PrepareConfig(**CONFIGS[name])
    image, mask = marked(number)
    seen = to_shape(prepare_image(image, config), config)[..., 0].astype(int)
    prepared = prepare_mask(mask, image, config)
    assert prepared.shape == config.shape
    assert prepared.dtype == bool
    black = seen > 195 if config.background == "detect" else seen < 60
    assert black.sum() > 10
    # Averaging blurs an edge of one pixel, which the nearest neighbour does not.
    both = (prepared & black).sum()
    assert both > 0.8 * black.sum()
    assert both > 0.4 * prepared.sum()
    rows, columns = np.nonzero(prepared)
    there = np.nonzero(black)
    assert abs(rows.mean() - there[0].mean()) < 1
    assert abs(columns.mean() - there[1].mean()) < 1


def test_mark_thinner_than_a_pixel_is_not_lost():
    image, mask = marked(0)
    thin = np.zeros_like(mask)
    thin[40, 60:63] = 255
    prepared = prepare_mask(thin, image, PrepareConfig(fit="stretch", size=(16, 19)))
    assert np.argwhere(prepared).tolist() == [[3, 5], [3, 6]]
    assert prepare_mask(thin, image, PrepareConfig(fit="stretch", size=SHEET.shape[:2])).sum() == 3


def test_empty_and_full_masks_and_a_canvas():
    image, mask = marked(0)
    assert not prepare_mask(np.zeros_like(mask), image, PrepareConfig(**CONFIGS["stretched"])).any()
    assert prepare_mask(np.full_like(mask, 255), image, PrepareConfig(**CONFIGS["stretched"])).all()
    with pytest.raises(UserError, match="fit=canvas"):
        prepare_mask(mask, image, PrepareConfig(fit="canvas"))


def test_masks_of_composed_karyograms(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=6)
    none = [f"data.derived.{kind}=0" for kind in ("autosome_loss", "terminal_deletion", "interstitial_deletion")]
    none += [f"data.derived.{kind}=0" for kind in ("duplication", "translocation", "inversion", "sex_gain")]
    some = ["data.derived.gain=2", "data.derived.sex_loss=2", "data.sheet.size=[320,420]", "data.sheet.scale=0.5"]
    data = ["data=composed_karyograms", f"data_dir={root}", "transform=karyograms", "data.sheet.labels=false"]
    stretched = ("prepare.fit=stretch", "prepare.crop=false", "prepare.size=128")
    config = small_config(tmp_path, *stretched, data=[*data, *some, *none])
    manifest = scan(config.data, config.data_dir, tmp_path / "cache", progress=False)
    masks = AbnormalityMasks(manifest, config)
    kinds = manifest.frame["kind"]
    assert [row in masks for row in range(len(kinds))] == (kinds != "normal").tolist()
    for row in np.flatnonzero(kinds != "normal"):
        prepared = masks[row]
        seen = to_shape(prepare_image(read_image(manifest.file(row)), config.prepare), config.prepare)[..., 0]
        assert 0 < prepared.place.mean() < 0.05
        assert (prepared.chromosomes & prepared.place).sum() == prepared.place.sum() < prepared.chromosomes.sum()
        ink = seen[prepared.place] < 250
        if kinds[row] == "gain":
            assert ink.mean() > 0.8  # a chromosome
        else:
            assert ink.mean() < 0.2  # the empty place of one
        dark = seen < 120
        assert (dark & prepared.chromosomes).sum() > 0.9 * dark.sum()


def test_other_karyograms_have_no_masks(tmp_path):
    config = karyogram_config(tmp_path, write_karyograms(tmp_path / "data", {"normal": 2, "abnormal": 2}))
    with pytest.raises(UserError, match=r"data\.source=karyograms"):
        AbnormalityMasks(scan(config.data, config.data_dir, tmp_path / "cache", progress=False), config)
