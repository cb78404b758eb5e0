"""Chromosomes on a canvas: upright, in scale, in the middle."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.images.chromosome_canvas import equalized_image, extent_of, lay_on_canvas, scales, width_of
from datamodules.io.decode import crop_to_content
from datamodules.io.resize import TooLargeError
from datamodules.preprocessing.cache import prepared_images
from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config
from karyocyte.config.data import CanvasConfig, PrepareConfig
from tests.helpers.chromosomes import bar, write_chromosomes
from tests.helpers.sources import scan
from tests.helpers.training import composed


def _config(size=(64, 32), **canvas):
    return PrepareConfig(size=size, background="detect", fit="canvas", crop_threshold=20, canvas=CanvasConfig(**canvas))


def _box(image):
    rows, columns = np.nonzero(image[..., 0] > 60)
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize("lean", [0.0, 30.0, -50.0])
def test_it_is_upright_in_the_middle_at_its_scale(lean):
    laid = lay_on_canvas(bar(2, scale=2, lean=lean), _config((128, 48)), 0.5)
    top, bottom, left, right = _box(laid)
    assert laid.shape == (128, 48, 3)
    assert bottom - top + 1 == pytest.approx(38, abs=3)
    assert (top + bottom) / 2 == pytest.approx(63.5, abs=1.5)
    assert (left + right) / 2 == pytest.approx(23.5, abs=1.5)


def test_the_end_that_was_up_stays_up():
    image = bar(3, scale=2, lean=35)
    image[: image.shape[0] // 2] = np.where(image[: image.shape[0] // 2] > 0, 255, 0)
    image[image.shape[0] // 2 :] = np.where(image[image.shape[0] // 2 :] > 0, 100, 0)
    laid = lay_on_canvas(image, _config((128, 48)), 1.0)
    assert laid[:56].max() == 255
    assert laid[72:].max() <= 110


def test_the_extent_is_that_of_the_larger_patch_or_of_an_image_without_any():
    image = bar(1)
    image[0:3, 0:3] = 255
    assert extent_of(image, 20).area == extent_of(bar(1), 20).area
    extent = extent_of(np.zeros((30, 20, 3), np.uint8), 20)
    assert (extent.area, extent.height, extent.width) == (600, 30.0, 20.0)


@given(*2 * [st.sets(st.integers(21, 255), min_size=50, max_size=50)])
def test_equalized_gray_values_are_even_and_depend_on_the_order_of_those_of_the_image_alone(values, others):
    levels = np.random.default_rng(0).integers(50, size=(40, 20))
    pictures = []
    for each in (values, others):
        image = np.zeros((60, 40), np.uint8)
        image[10:50, 10:30] = np.sort(list(each))[levels]
        image[2:5, 2:5] = 99  # debris
        pictures.append(equalized_image(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), 20))
    assert np.array_equal(*pictures)
    inside = pictures[0][10:50, 10:30].copy()
    assert np.quantile(inside, [0.1, 0.5, 0.9]) == pytest.approx([44.4, 138.0, 231.6], abs=8)
    pictures[0][10:50, 10:30] = 0
    assert pictures[0].max() <= 20


def test_an_equalized_chromosome_is_where_it_was_and_an_empty_image_stays():
    config, equalize = _config((128, 48)), _config((128, 48), equalize=True)
    image = bar(2, scale=2)
    assert _box(lay_on_canvas(image, equalize, 0.5)) == _box(lay_on_canvas(image, config, 0.5))
    assert equalized_image(np.zeros((9, 9, 3), np.uint8), 20).max() == 0


def test_too_large_stops_or_is_shrunk_alone():
    image = bar(1, scale=3)
    with pytest.raises(TooLargeError, match=r"234x48 px at this scale, the canvas 64x32"):
        lay_on_canvas(image, _config(), 2.0)
    shrink = _config(oversize="shrink")
    top, bottom, _, _ = _box(lay_on_canvas(image, shrink, 1.0))
    assert bottom - top + 1 >= 62
    assert np.array_equal(lay_on_canvas(bar(20), shrink, 1.0), lay_on_canvas(bar(20), _config(), 1.0))


@given(st.lists(st.tuples(st.integers(50, 3000), st.sampled_from("abc")), min_size=1, max_size=30), st.floats(100, 4e3))
def test_a_cell_s_chromosomes_are_scaled_alike_to_the_area(facts, area):
    areas = np.array([value for value, _ in facts], float)
    cells = np.array([cell for _, cell in facts], object)
    factors = scales(areas, cells, _config(scale_by="cell", area=area))
    for cell in set(cells):
        own = factors[cells == cell]
        assert np.allclose(own, own[0])
        assert np.mean(areas[cells == cell] * own**2) == pytest.approx(area)


def test_scales_by_image_are_all_the_same_and_by_cell_need_the_cells():
    cells = np.array([None, None, "a"], object)
    assert scales(np.array([1.0, 9.0, 4.0]), cells, _config(scale=0.7)).tolist() == [0.7] * 3
    with pytest.raises(UserError, match=r"of 2 images the cell is not known: .*data.cell_column"):
        scales(np.ones(3), cells, _config(scale_by="cell"))


def test_the_cache_depends_on_the_cells(tmp_path):
    """Other cells, other scales: a cache made for one table must not serve the other."""
    root = write_chromosomes(tmp_path / "data", cases=1, cells=2)
    config = _config(scale_by="cell", area=100, oversize="shrink")
    first = prepared_images(scan(_data(), str(root), tmp_path / "cache", False), config, tmp_path / "cache", False)
    table = (root / "labels.csv").read_text().replace("case0.1,", "case0.0,")
    (root / "labels.csv").write_text(table)
    second = prepared_images(scan(_data(), str(root), tmp_path / "cache", False), config, tmp_path / "cache", False)
    assert first.folder != second.folder


def test_a_damaged_image_is_prepared_anew_at_the_scale_of_its_cell(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1, cells=2)
    manifest = scan(_data(), str(root), tmp_path / "cache", False)
    images = prepared_images(manifest, _config(scale_by="cell", area=100, oversize="shrink"), tmp_path / "cache", False)
    right = np.array(images)
    content = (images.folder / "images.npy").read_bytes()
    (images.folder / "images.npy").write_bytes(content[:-1000] + bytes(1000))
    assert np.array_equal(np.array(images), right)
    assert (images.folder / "images.npy").read_bytes() == content


def test_a_chromosome_larger_than_the_canvas_is_named(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    manifest = scan(_data(), str(root), tmp_path / "cache", progress=False)
    with pytest.raises(UserError, match=r"01_\d\.png: the chromosome is 39x8 px .* canvas 32x16: .*oversize=shrink"):
        prepared_images(manifest, _config((32, 16)), tmp_path / "cache", progress=False)


def _data():
    return check_config(composed(["data=chromosomes", "weights=random"])).data


@given(number=st.integers(1, 20), scale=st.floats(2.0, 6.0), lean=st.floats(-90, 90))
def test_the_width_is_measured_at_any_angle_and_scale(number, scale, lean):
    image = bar(number, scale=scale, lean=lean)
    assert width_of(image, 20) == pytest.approx(8 * scale, rel=0.15)
    assert width_of(crop_to_content(image, 20), 20) == pytest.approx(width_of(image, 20))


@pytest.mark.parametrize("number", [1, 8, 20])
def test_the_width_gives_each_chromosome_the_same_canvas_width(number):
    config = _config((128, 64), scale_by="width", area=800)
    (scale,) = scales(np.zeros(1), np.zeros(1), config)
    _, _, left, right = _box(lay_on_canvas(bar(number, scale=3), config, scale))
    assert right - left + 1 == pytest.approx(0.49 * 800**0.5, rel=0.15)


def test_an_image_without_cell_does_not_change_the_scale_of_a_cell():
    config = _config(scale_by="cell", area=100).for_single_images()
    factors = scales(np.array([100.0, 400.0, 9.0]), np.array(["a", None, "a"], object), config)
    assert np.isnan(factors).tolist() == [False, True, False]
    assert factors[0] == factors[2] == pytest.approx((100 / 54.5) ** 0.5)
