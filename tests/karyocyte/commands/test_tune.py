"""scripts/tune.py as a user types it, on real trainings of a tiny network."""

import pandas as pd
import pytest
import yaml
from PIL import Image

from karyocyte.commands import tune
from karyocyte.composition.compose import check_config
from karyocyte.workflows.training import train
from tests.helpers.training import SMALL, call_main, composed, leave_out_drawings, typed_places
from tests.karyocyte.workflows.sweeps.tuning.searches import table

NET = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only", "trainer.max_epochs=1"]
SEARCH = ["+search=lr_batch", "search.startup_trials=2", "search.space.loader.batch_size.choices=[4,8]"]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call the script within this process; returns exit code, stdout and the last line of stderr."""

    def call(*overrides: str) -> tuple[int, str, str]:
        leave_out_drawings(monkeypatch)
        code = call_main(tune.main, tmp_path, *overrides)
        printed = capsys.readouterr()
        return code, printed.out, printed.err.strip()

    return call


def test_a_search_of_real_trainings(tmp_path, call):
    typed = [*SMALL, *NET, *SEARCH]
    code, printed, error = call(*typed, "search.trials=3")
    assert code == 0, error
    folder = next((tmp_path / "outputs" / "studies").iterdir())
    trials = table(folder)
    assert list(trials["state"]) == ["finished"] * 3
    assert trials[["val/loss", "seconds"]].notna().all(axis=None)
    for key in ("unfreeze.lr", "loader.batch_size"):
        with Image.open(folder / f"loss_by_{key}.png") as picture:
            assert picture.width > 400
    # Nothing of the test part is shown: nobody should choose by it.
    assert "accuracy" not in printed
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert " ".join(best["overrides"]) in printed.replace("\n", " ")

    # With these overrides it is the very run of the best.
    command = [*typed[: -len(SEARCH)], *typed_places(tmp_path), *best["overrides"]]
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs").rglob("*.ckpt")}
    assert str(train.run(check_config(composed(command)))) == best["run"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs").rglob("*.ckpt")} == trained

    assert call(*typed, "search.trials=4", f"search.out={tmp_path / 'out=1'}")[0] == 0
    pd.testing.assert_frame_equal(table(tmp_path / "out=1")[:3], trials)
    assert len(table(tmp_path / "out=1")) == 4
    assert {path.name for path in (tmp_path / "out=1").iterdir()} > {"best.yaml", "loss_by_unfreeze.lr.png"}


ERRORS = {
    "no search": ([*SMALL], "add +search=<name>, such as +search=lr_batch"),
    "an unknown key of the search": (["+search.trails=3"], "search.trails: did you mean `search.trials"),
    "an empty space": (["search.space=null"], "search.space: name a key"),
    "an unknown key in the space": (
        ["+search.space.loader.batchsize={choices: [1]}"],
        "search.space: unknown key loader.batchsize: did you mean `loader.batch_size",
    ),
    "a value that the key refuses": (["search.space.loader.batch_size.choices=[8,-1]"], "loader.batch_size"),
    "a range the wrong way round": (["search.space.unfreeze.lr.low=1"], "search.space.unfreeze.lr: low must be less"),
    "a range without an end": (["~search.space.unfreeze.lr.high"], "search.space.unfreeze.lr: say low and high"),
    "what a search rests on": (["+search.space.callbacks.monitor={choices: [val/acc]}"], "cannot be searched"),
    "a rate without effect": (["+search.space.unfreeze.stages.all.lr={choices: [1e-4]}"], "no effect"),
}


@pytest.mark.parametrize(("overrides", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_a_mistake_is_one_line_before_the_first_trial(tmp_path, call, overrides, words):
    named = any("search=" in override for override in overrides) or overrides == SMALL
    code, _, error = call(*([] if named else [*SMALL, *NET, *SEARCH]), *overrides)
    assert code == 1
    assert error.startswith("error: ")
    assert words in error
    assert "\n" not in error
    assert not (tmp_path / "outputs").exists()
