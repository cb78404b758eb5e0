"""Transforms of whole batches: where pixels go, and that they depend on (seed, epoch, image, copy) alone."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.transforms.batched_augmentation import DRAWN, BatchedAugmentation
from datamodules.transforms.counter_hash import uniform
from karyocyte.config.data import TransformConfig

HEIGHT, WIDTH = 64, 40
ALL = {"rotate": 12, "stretch": 0.12, "shift": 0.05, "brightness": 0.3, "gamma": 0.25, "bend": 0.2}
ALL |= {"mirror": True, "scale": 0.2, "uneven": 0.2, "sharpness": 2.0}


def smooth_image() -> np.ndarray:
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH)).astype(np.float32)
    image = cv2.GaussianBlur(noise, (0, 0), 3)
    image = (image - image.min()) / (image.max() - image.min())
    window = np.outer(np.hanning(HEIGHT), np.hanning(WIDTH))
    return np.round(255 * image * window).astype(np.uint8)


IMAGE = smooth_image()
BATCH = torch.from_numpy(IMAGE).expand(16, 1, HEIGHT, WIDTH)
ROWS = torch.arange(16)
NONE = torch.zeros(16, dtype=torch.int64)


def augmentation(seed: int = 0, **strengths: float) -> BatchedAugmentation:
    return BatchedAugmentation(TransformConfig(batched=True, **strengths), seed)


def changed(image: torch.Tensor = BATCH, **strengths: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The batch, times 255, (16, H, W), and what was drawn."""
    made = augmentation(**strengths)
    drawn = {name: values.numpy() for name, values in made.draw(NONE, ROWS, NONE).items()}
    return 255 * made(image, NONE, ROWS, NONE)[:, 0].numpy(), drawn


def splitmix(state: int) -> int:
    bits = 2**64
    state = (state + 0x9E3779B97F4A7C15) % bits
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % bits
    state = (state ^ state >> 27) * 0x94D049BB133111EB % bits
    return state ^ state >> 31


@given(key=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4), count=st.integers(1, 5))
def test_numbers_are_those_of_splitmix64(key, count):
    state = 0
    for part in key:
        state = splitmix(state ^ part)
    expected = [(splitmix((state + number * 0x9E3779B97F4A7C15) % 2**64) >> 40) / 2**24 for number in range(count)]
    assert uniform(torch.tensor([key]), count)[0].tolist() == expected


@given(order=st.permutations(range(16)), size=st.integers(1, 16), seed=st.integers(0, 2**31))
def test_an_image_does_not_depend_on_its_batch(order, size, seed):
    made = augmentation(seed, **ALL)
    images = torch.randint(0, 256, (16, 3, HEIGHT, WIDTH), dtype=torch.uint8)
    epoch = torch.full_like(ROWS, 3)
    whole = made(images, epoch, ROWS, NONE)
    some = torch.tensor(order[:size])
    again = augmentation(seed, **ALL)(images[some], epoch[some], ROWS[some], NONE[some])
    torch.testing.assert_close(again, whole[some], rtol=0, atol=1e-6)
    assert whole.min() >= 0
    assert whole.max() <= 1


@pytest.mark.parametrize("varied", ["epoch", "row", "copy", "seed"])
def test_every_part_of_the_key_matters(varied):
    first = augmentation(0).draw(NONE, ROWS, NONE)
    key = {name: torch.ones_like(ROWS) if name == varied else NONE for name in ("epoch", "copy")}
    second = augmentation(int(varied == "seed")).draw(key["epoch"], ROWS + 16 * (varied == "row"), key["copy"])
    for name in DRAWN:
        assert not (first[name] == second[name]).any()


def test_without_each_epoch_the_epoch_does_not_matter():
    once = augmentation(each_epoch=False)
    assert torch.equal(once.draw(ROWS, ROWS, NONE)["bow"], once.draw(NONE, ROWS, NONE)["bow"])


def test_the_affine_part_is_that_of_opencv():
    results, drawn = changed(mirror=True, rotate=20, stretch=0.2, shift=0.1, scale=0.3)
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    for number, result in enumerate(results):
        angle = np.deg2rad(20 * drawn["rotate"][number])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        size = 1.3 ** drawn["scale"][number]
        factors = size * (1 + 0.2 * np.array([drawn["stretch_x"][number], drawn["stretch_y"][number]]))
        factors[0] *= -1 if drawn["mirror"][number] < 0 else 1
        matrix = turn @ np.diag(factors)
        shift = 0.1 * np.array([WIDTH * drawn["shift_x"][number], HEIGHT * drawn["shift_y"][number]])
        forward = np.column_stack([matrix, centre - matrix @ centre + shift])
        expected = cv2.warpAffine(IMAGE.astype(np.float32), forward, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        assert np.abs(result - expected).max() < 3  # OpenCV rounds positions to 1/32 of a pixel
        assert np.abs(result - IMAGE).max() > 10


def test_a_straight_axis_becomes_the_curve():
    line = torch.zeros(16, 1, HEIGHT, WIDTH, dtype=torch.uint8)
    line[..., WIDTH // 2 - 2 : WIDTH // 2 + 2] = 200
    results, drawn = changed(line, bend=0.3)
    v = (np.arange(HEIGHT) - (HEIGHT - 1) / 2) / (HEIGHT / 2)
    position = (results * (np.arange(WIDTH) - (WIDTH - 1) / 2)).sum(2) / results.sum(2)
    for number in range(16):
        curve = 0.3 * WIDTH / 2 * (drawn["bow"][number] * v**2 + drawn["s_curve"][number] * v**3)
        # The outermost rows come from beyond the border in part.
        assert position[number, 2:-2] == pytest.approx(curve[2:-2], abs=0.1)


def test_bands_stay_perpendicular_to_a_bent_axis():
    band = torch.zeros(16, 1, 2 * HEIGHT, WIDTH, dtype=torch.uint8)
    band[..., 95:99, :] = 200  # half way to the lower end
    results, drawn = changed(band, bend=0.2)
    results = results[..., 10:-10]
    centre = (results * np.arange(2 * HEIGHT)[:, None]).sum(1) / results.sum(1)
    tilt = np.polyfit(np.arange(WIDTH - 20), centre.T, 1)[0]
    v = (97 - HEIGHT) / HEIGHT
    slope = 0.2 * WIDTH / 2 * (2 * drawn["bow"] * v + 3 * drawn["s_curve"] * v**2) / HEIGHT
    assert tilt == pytest.approx(-slope, abs=0.02)
    assert np.abs(slope).max() > 0.05


def test_uneven_stretch_varies_along_the_height_and_keeps_the_order():
    ramp = torch.arange(HEIGHT, dtype=torch.uint8).view(1, 1, HEIGHT, 1).expand(16, 1, HEIGHT, WIDTH)
    results, _ = changed(ramp, uneven=0.3)
    steps = np.diff(results[:, 12:-12, WIDTH // 2], axis=1)
    assert steps.min() > 1 - 0.31
    assert steps.max() < 1 + 0.31
    assert np.ptp(steps, axis=1).max() > 0.2
    middle = results[:, HEIGHT // 2 - 1 : HEIGHT // 2 + 1, WIDTH // 2].mean(axis=1)
    assert middle == pytest.approx((HEIGHT - 1) / 2, abs=0.1)


def test_light_changes_by_a_factor_and_a_power_and_leaves_black():
    results, drawn = changed(brightness=0.4, gamma=0.3)
    for number, result in enumerate(results):
        brighter = np.minimum(IMAGE / 255 * (1 + 0.4 * drawn["brightness"][number]), 1.0)
        assert result == pytest.approx(255 * brighter ** (1 + 0.3 * drawn["gamma"][number]), abs=0.01)
    assert (results[:, IMAGE == 0] == 0).all()


def test_sharpness_blurs_or_adds_what_a_blur_takes_away():
    results, drawn = changed(sharpness=2.0)
    sigma = WIDTH / 48
    blurred = cv2.GaussianBlur(IMAGE.astype(np.float32), (5, 5), sigma, borderType=cv2.BORDER_REFLECT_101)
    for number, result in enumerate(results):
        amount = drawn["sharpness"][number] * (2.0 if drawn["sharpness"][number] > 0 else 1.0)
        assert result == pytest.approx((IMAGE + amount * (IMAGE - blurred)).clip(0, 255), abs=0.02)
