"""trainer.max_images: a stage ends where it must, validated, and a resume ends there too."""

import pytest

from karyocyte.runs.run import Run
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import Watch, killed_at_its_end, train

NET = ["model=resnet18", "model.cut=layer1", "head.layers=[gap,{dense:8}]", "unfreeze=whole", "unfreeze.lr=0.01"]


@pytest.mark.parametrize(("images", "accumulate", "seen", "epochs"), [(10, 1, 12, 1), (64, 1, 64, 2), (70, 3, 76, 3)])
def test_the_budget_is_rounded_up_and_every_epoch_is_validated(tmp_path, images, accumulate, seen, epochs):
    more = [f"trainer.max_images={images}", f"trainer.accumulate_grad_batches={accumulate}"]
    _, (stage,) = train(small_config(tmp_path, *NET, *more), tmp_path / "run")
    assert (stage.images_seen, stage.epochs) == (seen, epochs)
    history = Run(tmp_path / "run").history
    assert len(history) == epochs
    assert stage.score == pytest.approx(history["val/loss"].min(), rel=1e-5)
    assert (tmp_path / "run" / stage.best).exists()


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_the_rate_falls_to_its_end_within_the_budget(tmp_path, scheduler):
    more = [f"scheduler={scheduler}", "scheduler.warmup=0.25", "trainer.max_images=80", "trainer.max_epochs=50"]
    watch = Watch()
    train(small_config(tmp_path, *NET, *more), tmp_path / "run", watch)
    assert len(watch.rates) == 20
    assert max(watch.rates) == pytest.approx(0.01)
    assert watch.rates[-1] < 0.0005


def test_killed_after_its_end_it_trains_no_further_batch(tmp_path):
    config = small_config(tmp_path, *NET, "trainer.max_images=10")
    with killed_at_its_end():
        train(config, tmp_path / "run")
    watch = Watch()
    _, (stage,) = train(config, tmp_path / "run", watch)
    assert (watch.rates, stage.images_seen, stage.epochs) == ([], 12, 1)
