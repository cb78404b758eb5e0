"""Stages: what trains, what stays bit for bit, and what follows from what."""

import json
from dataclasses import asdict

import pytest
import torch
from pytorch_lightning import Callback

from common.errors import UserError
from common.files import write_json
from common.runs.history import read_history
from common.runs.run import Run
from lightning_modules.build import build_classifier
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.inference import predict
from lightning_modules.stages import fit as staged_training
from lightning_modules.stages.fit import train_stages
from lightning_modules.stages.plan import stages_of
from tests.helpers.training import small_config
from tests.lightning_modules.memory_data import MemoryData

SMALL_NET = ["model=resnet18", "model.cut=layer2"]


def build(config):
    return build_classifier(config, ("hem", "all"), None)[0]


def backbone_state(model):
    return {name: value.clone() for name, value in model.backbone.state_dict().items()}


def train(config, run, model=None):
    model = model or build(config)
    return model, train_stages(model, MemoryData(), config, run)


def test_a_frozen_stage_leaves_the_backbone_and_its_batchnorm_statistics_bit_identical(tmp_path):
    config = small_config(tmp_path, *SMALL_NET, "unfreeze=head_only")
    model = build(config)
    before = backbone_state(model)
    head = model.head.logits.weight.detach().clone()
    train(config, tmp_path / "run", model)
    for name, value in backbone_state(model).items():
        assert torch.equal(value, before[name]), name
    assert not torch.equal(model.head.logits.weight, head)


def test_a_partly_frozen_stage_moves_only_what_it_names(tmp_path):
    config = small_config(
        tmp_path, *SMALL_NET, "unfreeze.stages.finetune.train=[layer2.1]", "unfreeze.stages.finetune.lr=0.01"
    )
    model = build(config)
    before = backbone_state(model)
    train(config, tmp_path / "run", model)
    moved = {name for name, value in backbone_state(model).items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("layer2.1.") for name in moved)
    assert "layer2.1.bn1.running_mean" in moved


def test_batchnorm_frozen_keeps_the_statistics_while_the_convolutions_train(tmp_path):
    config = small_config(
        tmp_path, *SMALL_NET, "unfreeze.stages.finetune.batchnorm=frozen", "unfreeze.stages.finetune.lr=0.01"
    )
    model = build(config)
    before = backbone_state(model)
    train(config, tmp_path / "run", model)
    after = backbone_state(model)
    assert not torch.equal(after["conv1.weight"], before["conv1.weight"])
    for name in before:
        if "running" in name:
            assert torch.equal(after[name], before[name]), name


class Gradients(Callback):
    """Note which parameters got a gradient, by stage."""

    def __init__(self):
        self.seen = []

    def on_fit_start(self, trainer, pl_module):
        self.seen.append(set())

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        got = {n for n, p in pl_module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        self.seen[-1] |= got


def test_gradients_flow_in_every_unfrozen_stage_and_nowhere_else(tmp_path, monkeypatch):
    config = small_config(
        tmp_path,
        *SMALL_NET,
        "+unfreeze.stages.more={train: [layer1, layer2], lr: 0.001}",
        "unfreeze.stages.finetune.train=[layer2]",
    )
    watch, plain = Gradients(), staged_training.build_trainer
    monkeypatch.setattr(
        staged_training,
        "build_trainer",
        lambda config, epochs, callbacks, loggers: plain(config, epochs, [*callbacks, watch], loggers),
    )
    model, _ = train(config, tmp_path / "run")
    everything = {name for name, _ in model.named_parameters()}
    head = {name for name in everything if name.startswith("head.")}
    layer2 = {name for name in everything if name.startswith("backbone.layer2.")}
    layer1 = {name for name in everything if name.startswith("backbone.layer1.")}
    assert watch.seen == [head, head | layer2, head | layer1 | layer2]


def test_each_stage_starts_from_the_best_of_the_one_before_and_the_last_best_is_left_in_the_model(
    tmp_path, monkeypatch
):
    config = small_config(tmp_path, *SMALL_NET, "trainer.max_epochs=3", "unfreeze.stages.head.lr=0.3")
    starts = []

    class Start(Callback):
        def on_train_start(self, trainer, pl_module):
            starts.append({name: value.clone() for name, value in pl_module.state_dict().items()})
            if len(starts) == 2:
                best = torch.load(tmp_path / "run" / "checkpoints" / "1-head" / "best.ckpt", weights_only=True)
                starts.append(best["state_dict"])

    plain = staged_training.build_trainer
    monkeypatch.setattr(
        staged_training,
        "build_trainer",
        lambda config, epochs, callbacks, loggers: plain(config, epochs, [*callbacks, Start()], loggers),
    )
    model, stages = train(config, tmp_path / "run")
    _, second, best_of_first = starts
    assert all(torch.equal(second[name], best_of_first[name]) for name in second)
    history = read_history(tmp_path / "run")
    for stage in stages:
        assert stage.score == pytest.approx(history[history.stage == stage.name]["val/loss"].min(), rel=1e-5)
    last = torch.load(tmp_path / "run" / stages[-1].best, weights_only=True)["state_dict"]
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").rglob("*.ckpt")) == ["best.ckpt"]


def test_a_finished_stage_is_not_trained_again(tmp_path):
    config = small_config(tmp_path, *SMALL_NET)
    model, first = train(config, tmp_path / "run")
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    again, second = train(config, tmp_path / "run")
    assert [stage.name for stage in second] == ["head", "finetune"]
    assert first == second
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())


def test_the_budget_counts_every_image_of_every_epoch(tmp_path):
    config = small_config(tmp_path, *SMALL_NET, "trainer.max_epochs=3", "trainer.limit_train_batches=5")
    _, stages = train(config, tmp_path / "run")
    assert [stage.images_seen for stage in stages] == [3 * 5 * 4] * 2
    assert all(stage.seconds > 0 and stage.epochs == 3 for stage in stages)


def test_early_stopping_ends_a_stage_after_its_patience(tmp_path):
    config = small_config(
        tmp_path, *SMALL_NET, "unfreeze=head_only", "trainer.max_epochs=20", "unfreeze.stages.head.lr=1e-12",
        "callbacks.early_stopping.enabled=true", "unfreeze.stages.head.patience=2",
        "callbacks.early_stopping.min_delta=0.1",
    )  # fmt: skip
    _, stages = train(config, tmp_path / "run")
    assert stages[0].epochs == 3


def test_a_stage_that_had_run_out_of_patience_trains_no_further_epoch_on_a_resume(tmp_path, monkeypatch):
    patient = ["callbacks.early_stopping.enabled=true", "unfreeze.stages.head.patience=2", "trainer.max_epochs=20"]
    never_better = ["unfreeze.stages.head.lr=1e-12", "callbacks.early_stopping.min_delta=0.1"]
    config = small_config(tmp_path, *SMALL_NET, "unfreeze=head_only", *patient, *never_better)
    with monkeypatch.context() as patch:
        patch.setattr(staged_training, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # killed after the last epoch, before the stage counts as finished
            train(config, tmp_path / "run")
    _, stages = train(config, tmp_path / "run")
    assert stages[0].epochs == 3
    assert len(read_history(tmp_path / "run")) == 3


def test_a_diverged_stage_is_a_user_error_and_no_result(tmp_path):
    config = small_config(tmp_path, *SMALL_NET, "unfreeze.lr=1e30", "head.layers=[gap,{dense:8}]")
    with pytest.raises(UserError, match=r"stage head diverged .*: lower unfreeze\.stages\.head\.lr"):
        train(config, tmp_path / "run")
    model = build(config)
    with torch.no_grad():
        model.head.logits.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="no numbers"):
        predict(model, MemoryData(), config)


def test_init_from_takes_the_place_of_the_stages_that_train_the_head_alone(tmp_path):
    config = small_config(tmp_path, *SMALL_NET, "unfreeze=head_only")
    model, stages = train(config, tmp_path / "first")
    with pytest.raises(UserError, match="no finished run"):
        build(small_config(tmp_path, *SMALL_NET, f"init_from={tmp_path / 'first'}"))
    Run(tmp_path / "first").write_status("finished", best=stages[-1].best)
    write_json(tmp_path / "first" / "data.json", {"classes": ["hem", "all"], "positive_class": "all"})
    write_json(tmp_path / "first" / "model.json", asdict(model.facts()))
    follow = small_config(tmp_path, *SMALL_NET, f"init_from={tmp_path / 'first'}")
    assert list(stages_of(follow)) == ["finetune"]
    started, contents = build_classifier(follow, ("hem", "all"), None)
    assert all(torch.equal(value, started.state_dict()[name]) for name, value in model.state_dict().items())
    assert len(contents["init_from"]) == 64
    with pytest.raises(UserError, match="its classes are hem, all, here they are all, hem"):
        build_classifier(follow, ("all", "hem"), None)
    write_json(tmp_path / "first" / "model.json", {"mean": [0.0] * 3, "std": [1.0] * 3, "args": {}})
    with pytest.raises(UserError, match="another mean and std"):
        build(follow)
    write_json(tmp_path / "first" / "model.json", asdict(model.facts()))
    with pytest.raises(UserError, match="does not fit the model"):
        build(small_config(tmp_path, "model=resnet18", "model.cut=layer1", f"init_from={tmp_path / 'first'}"))


def test_one_rate_for_all_stages_and_a_bound_on_their_length(tmp_path):
    config = small_config(
        tmp_path, *SMALL_NET, "unfreeze.lr=0.02", "unfreeze.stages.head.max_epochs=1", "trainer.max_epochs=2"
    )
    stages = stages_of(config)
    assert [(stage.lr, stage.max_epochs) for stage in stages.values()] == [(0.02, 1), (0.02, 2)]


def test_what_the_last_stage_trains_can_be_overruled(tmp_path):
    stages = stages_of(small_config(tmp_path, *SMALL_NET, "unfreeze.train=[layer2]"))
    assert [stage.train for stage in stages.values()] == [(), ("layer2",)]
    with pytest.raises(UserError, match="layer9"):
        build(small_config(tmp_path, *SMALL_NET, "unfreeze=head_only", "unfreeze.train=[layer9]"))


def test_every_image_is_predicted_once_by_its_index(tmp_path):
    config = small_config(tmp_path, *SMALL_NET)
    model = build(config).eval()
    data = MemoryData(count=19)
    predicted = predict(model, data, config)
    rows, probabilities = predicted.rows, predicted.probabilities
    assert sorted(rows) == list(range(19))
    with torch.no_grad():
        expected = model.probabilities(model(data.images.float() / 255))
    assert probabilities == pytest.approx(expected.numpy()[rows], abs=1e-5)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_every_precision_trains_and_predicts(tmp_path, precision):
    config = small_config(tmp_path, *SMALL_NET, "unfreeze=head_only", f"trainer.precision={precision}")
    model, stages = train(config, tmp_path / "run")
    assert stages[0].images_seen == 64
    probabilities = predict(model, MemoryData(count=8), config).probabilities
    assert probabilities.sum(1) == pytest.approx(1.0, abs=1e-2)


def test_channels_last_changes_the_layout_and_nothing_else_but_rounding(tmp_path):
    probabilities = {}
    for layout in (False, True):
        config = small_config(tmp_path, *SMALL_NET, "unfreeze=whole", f"trainer.channels_last={layout}")
        model, _ = train(config, tmp_path / f"run{layout}")
        assert model.backbone.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last) == layout
        probabilities[layout] = predict(model, MemoryData(), config).probabilities
    assert probabilities[True] == pytest.approx(probabilities[False], abs=1e-3)


def test_checkpoints_hold_plain_containers_and_a_wrong_one_is_refused(tmp_path):
    config = small_config(tmp_path, *SMALL_NET, "unfreeze=head_only")
    model, stages = train(config, tmp_path / "run")
    load_checkpoint(model, tmp_path / "run" / stages[-1].best)  # weights_only=True inside
    json.loads((tmp_path / "run" / "checkpoints" / "1-head" / "stage.json").read_text())
    with pytest.raises(UserError, match="no checkpoint"):
        load_checkpoint(model, tmp_path / "absent.ckpt")
