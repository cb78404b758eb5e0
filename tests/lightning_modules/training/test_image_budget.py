"""trainer.max_images: a stage ends where it must, validated, and a resume ends there too."""

from types import SimpleNamespace

import pytest

from common.runs.run import Run
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import Watch, assert_equal_weights, killed_after_the_last_epoch, train

NET = ["model=resnet18", "model.cut=layer1", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
WHOLE = ["unfreeze=whole", "unfreeze.lr=0.01"]


@pytest.mark.parametrize(
    ("images", "accumulate", "seen", "epochs"),
    [(10, 1, 12, 1), (64, 1, 64, 2), (80, 1, 80, 3), (70, 3, 76, 3), (1, 1, 4, 1), (32, 1, 32, 1)],
)
def test_the_images_seen_are_the_budget_rounded_up_and_every_epoch_is_validated(
    tmp_path, images, accumulate, seen, epochs
):
    more = [f"trainer.max_images={images}", f"trainer.accumulate_grad_batches={accumulate}"]
    _, (stage,) = train(small_config(tmp_path, *NET, *WHOLE, *more), tmp_path / "run")
    assert (stage.images_seen, stage.epochs) == (seen, epochs)
    history = Run(tmp_path / "run").history
    assert len(history) == epochs
    assert stage.score == pytest.approx(history["val/loss"].min(), rel=1e-5)
    assert (tmp_path / "run" / stage.best).exists()


def test_each_stage_has_the_budget_whatever_its_epochs(tmp_path):
    more = ["unfreeze.stages.head.max_epochs=1", "unfreeze.stages.finetune.train=[layer1]"]
    _, stages = train(small_config(tmp_path, *NET, "trainer.max_images=50", *more), tmp_path / "run")
    assert [stage.images_seen for stage in stages] == [52, 52]


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_the_rate_falls_to_its_end_within_the_budget(tmp_path, scheduler):
    more = [f"scheduler={scheduler}", "scheduler.warmup=0.25", "trainer.max_images=80", "trainer.max_epochs=50"]
    watch = Watch()
    train(small_config(tmp_path, *NET, *WHOLE, *more), tmp_path / "run", watch)
    assert len(watch.rates) == 20
    assert max(watch.rates) == pytest.approx(0.01)
    assert watch.rates[-1] < 0.0005


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the undisturbed training of further overrides; each is trained once."""
    trainings = {}

    def of(more):
        if more not in trainings:
            home, watch = tmp_path_factory.mktemp("whole"), Watch()
            _, (stage,) = train(budgeted(home, more), home / "run", watch)
            trainings[more] = SimpleNamespace(run=home / "run", watch=watch, stage=stage)
        return trainings[more]

    return of


def budgeted(home, more):
    return small_config(home, *NET, *WHOLE, "trainer.max_images=80", "callbacks.checkpoint.every_steps=2", *more)


@pytest.mark.parametrize(
    ("kill", "more", "workers"),
    [
        pytest.param(Watch(18), (), 0, id="in the part of an epoch that the budget ends in"),
        pytest.param(Watch(13), (), 0, id="in a whole epoch"),
        pytest.param(Watch(20, validating=True), (), 0, id="in the last validation"),
        pytest.param(Watch(7), ("trainer.accumulate_grad_batches=3",), 0, id="gradients accumulated"),
        pytest.param(Watch(13), (), 1, id="with a worker that fetches ahead"),
        pytest.param(Watch(16), ("scheduler=one_cycle", "scheduler.warmup=0.3"), 0, id="with a schedule"),
    ],
)
def test_a_resume_in_mid_epoch_reaches_the_same_end(tmp_path, undisturbed, kill, more, workers):
    whole, rest, config = undisturbed(more), Watch(), budgeted(tmp_path, more)
    with pytest.raises(RuntimeError, match="killed"):
        train(config, tmp_path / "run", kill, workers=workers)
    _, (stage,) = train(config, tmp_path / "run", rest, workers=workers)
    assert 0 < len(rest.rates) < len(whole.watch.rates)
    assert rest.rates == whole.watch.rates[-len(rest.rates) :]
    assert (whole.stage.images_seen, whole.stage.epochs, whole.stage.score) == (
        stage.images_seen, stage.epochs, stage.score
    )  # fmt: skip
    last = max(rest.weights)
    assert_equal_weights(rest.weights[last], whole.watch.weights[last])
    losses = [Run(run).history["val/loss"].tolist() for run in (whole.run, tmp_path / "run")]
    assert losses[0] == losses[1]


def test_killed_after_its_end_it_trains_no_further_batch(tmp_path):
    config = small_config(tmp_path, *NET, *WHOLE, "trainer.max_images=10")
    with killed_after_the_last_epoch():
        train(config, tmp_path / "run")
    watch = Watch()
    _, (stage,) = train(config, tmp_path / "run", watch)
    assert (watch.rates, stage.images_seen, stage.epochs) == ([], 12, 1)
