"""Terms of the training loss beside the cross-entropy: supervised contrast, and the targets of teachers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from common.config.schema import LossConfig
from common.runs.run import ModelFacts
from lightning_modules.classifier import Classifier, TrainingSettings
from lightning_modules.losses import soft_cross_entropy, supervised_contrast
from lightning_modules.orientation import turn_half
from tests.lightning_modules.test_orientation import Pixels, images

LABELS = torch.tensor([0, 1, 2, 1, 0])


def model(orientation=False, seed=0, **loss):
    torch.manual_seed(seed)
    facts = ModelFacts([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], {})
    made = Classifier(
        Pixels(),
        nn.Sequential(nn.Linear(72, 7), nn.ReLU(), nn.Linear(7, 6 if orientation else 3)),
        3,
        facts,
        TrainingSettings(LossConfig(**loss)),
        orientation,
    )
    made.log = lambda *_, **__: None
    return made


def step(made):
    return made.training_step({"image": images(), "label": LABELS, "index": torch.arange(5)}, 0)["loss"]


@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=9), temperature=st.floats(0.05, 2.0))
@settings(deadline=None)
def test_the_contrast_is_that_of_its_definition(labels, temperature):
    features = np.random.default_rng(0).normal(size=(len(labels), 4))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    terms = []
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        total = sum(np.exp(unit[i] @ unit[j] / temperature) for j in others)
        same = [np.log(np.exp(unit[i] @ unit[j] / temperature) / total) for j in others if labels[j] == label]
        if same:
            terms.append(-np.mean(same))
    expected = np.mean(terms) if terms else 0.0
    contrast = supervised_contrast(torch.tensor(features), torch.tensor(labels), temperature)
    assert float(contrast) == pytest.approx(expected, abs=1e-9)


def test_the_contrast_has_a_gradient_where_every_class_is_alone():
    features = torch.randn(3, 4, requires_grad=True)
    supervised_contrast(features, torch.arange(3), 0.1).backward()
    assert torch.equal(features.grad, torch.zeros(3, 4))


def test_descending_the_contrast_separates_the_classes():
    features = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    label = torch.arange(12) % 3
    optimizer = torch.optim.Adam([features], 0.1)
    for _ in range(100):
        optimizer.zero_grad()
        supervised_contrast(features, label, 0.1).backward()
        optimizer.step()
    similarity = nn.functional.cosine_similarity(features[:, None], features[None], dim=2)
    assert similarity[label[:, None] == label].min() > similarity[label[:, None] != label].max()


@pytest.mark.parametrize("orientation", [False, True])
def test_the_contrast_of_the_last_layers_input_is_added_with_its_weight(orientation):
    plain, with_contrast = model(orientation), model(orientation, contrastive=0.3, temperature=0.2)
    image, target = images(), LABELS
    if orientation:
        image, turned = turn_half(image, torch.arange(5), 0)
        target = LABELS + 3 * turned
    contrast = supervised_contrast(plain.head[:-1](image.flatten(1)), target, 0.2)
    torch.testing.assert_close(step(with_contrast), step(plain) + 0.3 * contrast)


def test_teachers_share_the_targets():
    plain, student = model(), model(teacher_weight=0.25)
    student.teachers = (model(seed=1).eval(), model(seed=2).eval())
    taught = sum(teacher(images()).softmax(1) for teacher in student.teachers) / 2
    expected = 0.75 * step(plain) + 0.25 * soft_cross_entropy(plain(images()), taught)
    torch.testing.assert_close(step(student), expected)
    assert student.state_dict().keys() == plain.state_dict().keys()


def test_teachers_see_upright_images_and_the_student_learns_the_turned_ones_from_them():
    student, teacher = model(orientation=True, teacher_weight=1.0), model(seed=1).eval()
    student.teachers = (teacher,)
    shown, turned = turn_half(images(), torch.arange(5), 0)
    log_probability = student.head_logits(shown).log_softmax(1).unflatten(1, (2, 3))[torch.arange(5), turned.long()]
    expected = -(teacher(images()).softmax(1) * log_probability).sum(1).mean()
    torch.testing.assert_close(step(student), expected)
    step(student).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
