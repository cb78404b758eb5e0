"""The detector: maps and boxes say the same, crossing chromosomes are kept apart, and a picture can be learnt."""

import pytest
import torch
from timm import create_model

from cytogenetics.metaphases.networks.detector import DetectionScores, Detector
from cytogenetics.metaphases.networks.network import KINDS, STRIDE, CentreDecoder, Maps, decode, levels_of
from cytogenetics.metaphases.networks.targets import _nearness as nearness
from cytogenetics.metaphases.networks.targets import detection_loss, kinds_of
from karyocyte.common.errors import UserError
from karyocyte.runs.facts import ModelFacts
from lightning_modules.optimizers import TrainingSettings

# Wide, tall, and two square ones with one centre, of which one falls to the right and the other rises.
BOXES = torch.tensor([[9.0, 8, 41, 22], [50, 6, 64, 44], [70, 60, 100, 90], [75, 65, 95, 85]])
RISING, FALLING = 2, 3  # their maps


def drawn(boxes=BOXES, height=96, width=128):
    """A picture in which the wide and the tall box are filled, and the square ones hold a diagonal each."""
    image = torch.zeros(height, width)
    for number, (left, top, right, bottom) in enumerate(boxes.int().tolist()):
        if number < 2:
            image[top:bottom, left:right] = 0.8
            continue
        side = right - left
        for step in range(side):
            row = step if number == 2 else side - 1 - step
            image[top + row, left + step] = 1.0
    return image


def perfect(kinds, boxes=BOXES, height=48, width=64):
    centres = torch.full((1, KINDS, height, width), -9.0)
    sides = torch.ones(1, KINDS, 4, height, width)
    for kind, box in zip(kinds.tolist(), boxes, strict=True):
        column, row = ((box[:2] + box[2:]) / 2 / STRIDE).int().tolist()
        x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
        centres[0, kind, row, column] = 5.0
        sides[0, kind, :] = torch.tensor([x - box[0], y - box[1], box[2] - x, box[3] - y])[:, None, None]
    return Maps(centres, sides)


def test_boxes_go_to_the_map_of_their_shape_and_of_what_lies_in_them():
    assert kinds_of(drawn(BOXES[:3]), BOXES[:3]).tolist() == [0, 1, FALLING]
    rising = torch.stack([BOXES[0], BOXES[1], BOXES[1], BOXES[3]])
    assert kinds_of(drawn(rising), rising[3:]).tolist() == [RISING]


def test_perfect_maps_give_the_boxes_back_also_two_with_one_centre():
    boxes, scores = decode(perfect(torch.arange(4)))
    found = boxes[0][scores[0] > 0]
    assert torch.equal(found[found[:, 0].argsort()], BOXES)
    assert boxes.shape[1] == scores.shape[1]


def test_maps_of_the_mirror_image_give_the_same_boxes():
    left, top, right, bottom = BOXES.unbind(1)
    mirrored = torch.stack([128 - right, top, 128 - left, bottom], dim=1)
    maps = perfect(torch.tensor([0, 1, RISING, FALLING]), mirrored).mirrored()
    boxes, scores = decode(maps)
    found = boxes[0][scores[0] > 0]
    assert torch.equal(found[found[:, 0].argsort()], BOXES)
    x, y = ((BOXES[2, :2] + BOXES[2, 2:]) / 2 / STRIDE).int().tolist()
    assert maps.centres[0, FALLING, y - 1 : y + 1, x - 1 : x + 1].max() > 0


def test_the_loss_of_perfect_maps_is_far_below_that_of_wrong_ones():
    image = drawn()[None, None]
    kinds = kinds_of(image[0, 0], BOXES)
    right = detection_loss(perfect(kinds), image, [BOXES])
    moved = detection_loss(perfect(kinds, BOXES.roll(1, 0)), image, [BOXES])
    assert right[0] < 0.2 * moved[0]
    twice = detection_loss(perfect(kinds, BOXES.roll(1, 0)), image, [torch.cat([BOXES, BOXES])])
    torch.testing.assert_close(2 * twice[1], moved[1])  # a cell learns one of two equal boxes
    _, empty = detection_loss(perfect(kinds), image, [BOXES[:0]])
    assert empty == 0


def test_a_cell_is_wholly_near_the_centre_that_it_is_nearest_to():
    middles = (torch.arange(16) + 0.5) * STRIDE
    near = nearness(torch.tensor([[3.0, 3.0, 10.0, 12.2], [8.0, 8.5, 19.0, 12.0]]), middles, middles)
    assert near.amax((1, 2)).tolist() == [1, 1]
    assert (near > 0.99).sum() == 2


def network():
    backbone = create_model("resnet18", num_classes=0)
    channels = [level.shape[1] for level in levels_of(backbone.eval(), torch.zeros(1, 3, 64, 64))]
    assert channels == [64, 64, 128, 256]
    facts = ModelFacts([0.5] * 3, [0.5] * 3, {})
    return Detector(backbone, CentreDecoder(channels, 16), facts, TrainingSettings())


def test_a_picture_is_learnt():
    torch.manual_seed(0)
    model = network()
    image, boxes = drawn()[None, None], [BOXES[:3]]
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    scores = DetectionScores()
    for _ in range(60):
        centres, sides = detection_loss(model(image), image, boxes)
        (centres + 5 * sides).backward()
        optimizer.step()
        optimizer.zero_grad()
    scores.update(*decode(model(image)), boxes)
    assert scores.compute()["ap50"] > 0.6


def test_another_network_than_a_resnet_is_refused():
    with pytest.raises(UserError, match="set model=resnet18"):
        levels_of(create_model("mobilenetv2_100", num_classes=0), torch.zeros(1, 3, 64, 64))


def test_boxes_of_a_mirrored_picture_are_mirrored():
    torch.manual_seed(0)
    detector = network()
    detector.head.maps.bias.data[:KINDS] = 0.0  # many boxes
    image = drawn()[None, None]
    with torch.inference_mode():
        (boxes,), (scores,) = detector.eval().find(image)
        (mirrored,), (mirrored_scores,) = detector.find(image.flip(-1))
    torch.testing.assert_close(mirrored_scores[:3], scores[:3], atol=1e-4, rtol=0)
    left, top, right, bottom = boxes[:3].unbind(1)
    back = torch.stack([image.shape[-1] - right, top, image.shape[-1] - left, bottom], dim=1)
    assert (back[:, None] - mirrored).abs().amax(-1).amin(1).max() < 0.01
