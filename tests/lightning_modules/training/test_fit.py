"""Stages: what trains, what stays bit for bit, and what follows from what."""

import json
from dataclasses import asdict

import pytest
import torch
from pytorch_lightning import Callback

from karyocyte.common.errors import UserError
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.stages import stages_of
from lightning_modules.build.build import build_classifier
from lightning_modules.support.checkpoint_io import load_weights
from lightning_modules.training.fit import StagedTraining
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, Watch, assert_equal_weights, build, killed_at_its_end, train

SMALL_NET = ["model=resnet18", "model.cut=layer2"]
HEAD_ONLY = [*SMALL_NET, "unfreeze=head_only"]


def test_gradients_flow_in_every_unfrozen_stage_and_nowhere_else_and_batchnorm_may_keep_its_statistics(tmp_path):
    class Gradients(Callback):
        def __init__(self):
            self.by_stage = []
            self.rates = []

        def on_fit_start(self, trainer, pl_module):
            self.by_stage.append(set())

        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            self.rates.append(optimizer.param_groups[0]["lr"])
            for name, parameter in pl_module.named_parameters():
                if parameter.grad is not None and parameter.grad.any():
                    self.by_stage[-1].add(name)

    more = ["+unfreeze.stages.more={train: [layer1, layer2], lr: 0.004, batchnorm: frozen}"]
    more += ["unfreeze.stages.finetune.train=[layer2]", "unfreeze.stages.finetune.batchnorm=frozen"]
    gradients = Gradients()
    config = small_config(tmp_path, *SMALL_NET, *more)
    model, _ = train(config, tmp_path / "run", gradients)
    assert_equal_weights(dict(model.named_buffers()), dict(build(config).named_buffers()))
    names = [name for name, _ in model.named_parameters()]
    prefixes = ("head.", "backbone.layer2.", "backbone.layer1.")
    head, layer2, layer1 = ({name for name in names if name.startswith(prefix)} for prefix in prefixes)
    assert gradients.by_stage == [head, head | layer2, head | layer1 | layer2]
    assert gradients.rates == [1e-3] * 16 + [1e-5] * 16 + [4e-3] * 16


@pytest.mark.parametrize("mode", ["min", "max"])
def test_each_stage_starts_from_the_best_of_the_one_before_and_the_last_best_is_left_in_the_model(tmp_path, mode):
    watch = Watch()
    config = small_config(tmp_path, *SMALL_NET, "trainer.max_epochs=3", "unfreeze.stages.head.lr=0.01")
    model = build(config)
    saved_by_a_callback = tmp_path / "run" / "checkpoints" / "1-head" / "step-000004.ckpt"
    saved_by_a_callback.parent.mkdir(parents=True)
    saved_by_a_callback.touch()
    stages = StagedTraining(model, MemoryData(), config, tmp_path / "run", [watch], mode=mode).train()
    history = Run(tmp_path / "run").history
    head = history[history.stage == "head"]["val/loss"].to_numpy()
    best = 8 * (1 + int(head.argmin() if mode == "min" else head.argmax()))  # of eight steps in an epoch
    assert_equal_weights(watch.starts[1], watch.weights[best])
    for stage in stages:
        losses = history[history.stage == stage.name]["val/loss"]
        assert stage.score == pytest.approx(getattr(losses, mode)(), rel=1e-5)
        assert losses.iloc[-1] < losses.max()  # so that the best is not the last where the largest is best
    (checkpoint,) = (tmp_path / "run").rglob("*.ckpt")
    assert (checkpoint.parent.name, checkpoint.name) == ("2-finetune", "best.ckpt")
    assert_equal_weights(model, torch.load(checkpoint, weights_only=True)["state_dict"])


def test_a_finished_stage_is_not_trained_again(tmp_path, capsys):
    config = small_config(tmp_path, *SMALL_NET)
    model, first = train(config, tmp_path / "run")
    again, second = train(config, tmp_path / "run")
    assert [stage.name for stage in second] == ["head", "finetune"]
    assert first == second
    said = capsys.readouterr().out
    assert "\nstage 2, finetune: 2 epochs in " in said
    assert "\nstage 1, head: finished before\n" in said
    assert json.loads((tmp_path / "run" / "checkpoints" / "1-head" / "stage.json").read_text()) == asdict(first[0])
    assert_equal_weights(again, model)
    load_weights(model, tmp_path / "run" / first[-1].best)  # weights_only=True inside
    with pytest.raises(UserError, match=r"no checkpoint at .*absent\.ckpt"):
        load_weights(model, tmp_path / "absent.ckpt")


def test_a_stage_ends_after_its_patience_and_trains_no_further_epoch_on_a_resume(tmp_path, capsys):
    patient = ["callbacks.early_stopping.enabled=true", "callbacks.early_stopping.patience=2", "trainer.max_epochs=20"]
    never_better = ["unfreeze.stages.head.lr=1e-12", "callbacks.early_stopping.min_delta=0.1"]
    config = small_config(tmp_path, *HEAD_ONLY, *patient, *never_better)
    with killed_at_its_end():
        train(config, tmp_path / "run")
    assert len(Run(tmp_path / "run").history) == 3
    assert "early stopping after epoch 3 of 20: val/loss no better for 2 epochs" in capsys.readouterr().out
    _, (stage,) = train(config, tmp_path / "run")
    assert stage.epochs == len(Run(tmp_path / "run").history) == 3


@pytest.mark.parametrize(("mode", "epochs"), [("min", 4), ("max", 2)])
def test_patience_is_with_what_the_metric_should_become(tmp_path, mode, epochs):
    """The loss falls: where the least is best each epoch is better, where the largest is, none after the first."""
    patient = ["callbacks.early_stopping.enabled=true", "callbacks.early_stopping.patience=1", "trainer.max_epochs=4"]
    config = small_config(tmp_path, *HEAD_ONLY, *patient, "unfreeze.stages.head.lr=0.01")
    (stage,) = StagedTraining(build(config), MemoryData(), config, tmp_path / "run", mode=mode).train()
    assert stage.epochs == epochs


def test_init_from_takes_the_place_of_the_stages_that_train_the_head_alone(tmp_path):
    first = tmp_path / "first"
    model, stages = train(small_config(tmp_path, *HEAD_ONLY), first)
    with pytest.raises(UserError, match="is not a run of Karyocyte"):
        build(small_config(tmp_path, *SMALL_NET, f"init_from={first}"))
    run = Run(first)
    run.write_config(small_config(tmp_path, *HEAD_ONLY).model_dump(mode="json"))
    run.write_json(RunFile.DATA, {"classes": ["hem", "all"], "positive_class": "all"})
    run.write_json(RunFile.MODEL, asdict(model.facts()))
    run.write_status("finished", best=stages[-1].best)
    follow = small_config(tmp_path, *SMALL_NET, f"init_from={first}")
    assert list(stages_of(follow)) == ["finetune"]
    started, contents = build_classifier(follow, ("hem", "all"))
    assert_equal_weights(started, model)
    assert len(contents["init_from"]) == 64
    with pytest.raises(UserError, match=r"tells hem, all \(positive all\) apart, this training all, hem"):
        build_classifier(follow, ("all", "hem"))
    words = ["head.logits=3", "head.start=new", f"init_from={first}"]
    renewed = small_config(tmp_path, *SMALL_NET, *words)
    assert list(stages_of(renewed)) == ["head", "finetune"]
    other, _ = build_classifier(renewed, ("a", "b", "c"))
    assert_equal_weights(other.backbone, model.backbone)
    assert other.head.logits.out_features == 3
    with pytest.raises(UserError, match="does not fit the model"):
        build(small_config(tmp_path, "model=resnet18", "model.cut=layer1", f"init_from={first}"))
    run.write_json(RunFile.MODEL, {"mean": [0.0] * 3, "std": [1.0] * 3, "args": {}})
    with pytest.raises(UserError, match="another mean and std"):
        build(follow)


@pytest.mark.parametrize(("deliver", "kept"), [("last", "2-finetune"), ("best", "1-head")])
def test_a_later_stage_that_is_worse_is_said_and_evaluated_only_if_asked_for(tmp_path, capsys, deliver, kept):
    worse = ["unfreeze.stages.head.lr=0.01", "unfreeze.stages.finetune.lr=10", f"unfreeze.deliver={deliver}"]
    config = small_config(tmp_path, *SMALL_NET, *worse)
    model, (head, finetune) = train(config, tmp_path / "run")
    assert finetune.score > head.score
    assert "stage finetune is worse on validation than stage head (loss " in capsys.readouterr().out
    (checkpoint,) = (tmp_path / "run").rglob("*.ckpt")
    assert checkpoint.parent.name == kept
    assert_equal_weights(model, torch.load(checkpoint, weights_only=True)["state_dict"])
    again, _ = train(config, tmp_path / "run")  # finds the stages finished
    assert_equal_weights(again, model)


def test_a_later_stage_starts_from_the_best_stage_so_far(tmp_path):
    watch = Watch()
    third = ["unfreeze.stages.finetune.lr=10", "unfreeze.deliver=best", "+unfreeze.stages.more={lr: 1e-4}"]
    train(small_config(tmp_path, *SMALL_NET, "unfreeze.stages.head.lr=0.01", *third), tmp_path / "run", watch)
    assert_equal_weights(watch.starts[1], watch.starts[2])


def test_a_stage_may_have_a_schedule_of_its_own(tmp_path):
    cosine = "{_target_: lightning_modules.optimizers.cosine, warmup: 0}"
    watch = Watch()
    train(small_config(tmp_path, *SMALL_NET, f"unfreeze.stages.finetune.scheduler={cosine}"), tmp_path / "run", watch)
    assert set(watch.rates[:16]) == {1e-3}
    assert watch.rates[16] == 1e-5
    assert watch.rates[16:] == sorted(set(watch.rates[16:]), reverse=True)
