"""A run's folder is read and written through `Run`."""

from pathlib import Path

import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.config.defaults import section_defaults
from karyocyte.config.schema import Config
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from tests.helpers.predictions import make_predictions
from tests.helpers.training import small_config


@pytest.fixture
def run(tmp_path):
    """A finished run with the small files of its folder."""
    run = Run(tmp_path / "seed=0")
    run.write_status("finished", best="checkpoints/1-head/best.ckpt", images_seen=80)
    return run


def test_open_takes_the_folder_or_a_file_in_it_and_find_looks_below_one(run, tmp_path):
    assert Run.open(run.folder) == Run.open(run.folder / "status.json") == run
    assert Run.find(tmp_path) == Run.find(run.folder) == [run]
    assert Run.find(tmp_path / "missing") == []


def test_status(run):
    assert run.is_finished
    assert run.status.images_seen == 80
    assert run.best_checkpoint == run.folder / "checkpoints" / "1-head" / "best.ckpt"
    run.write_status("failed", error="ValueError: nan")
    assert not run.is_finished
    assert run.status.error == "ValueError: nan"
    with pytest.raises(UserError, match="failed"):
        _ = run.best_checkpoint


def test_a_configuration_is_read_as_written_and_unknown_keys_name_the_revision(run, tmp_path, capsys):
    config = small_config(tmp_path)
    run.write_config(config.model_dump(mode="json"))
    assert Run(run.folder).config == config  # a cache that was removed is made again
    Path(config.cache_dir).touch()  # nobody can write below a file
    own = section_defaults("train")["cache_dir"]
    assert Run(run.folder).config == Run(run.folder).config == config.model_copy(update={"cache_dir": own})
    assert capsys.readouterr().out.count(f"cannot be written to: {own} is used instead") == 1
    home = small_config(tmp_path).model_dump() | {"cache_dir": "~/cache"}
    assert Config.model_validate(home).cache_dir == str(Path.home() / "cache")
    run.write_config({key: value for key, value in run.raw_config.items() if key != "seed"})
    with pytest.raises(UserError, match=r"config.yaml has no seed"):
        _ = run.config
    run.write_config(config.model_dump(mode="json"))
    run.write_json(RunFile.ENVIRONMENT, {"revisions": ["0123456789ab"]})
    run.write_config({**run.raw_config, "trainer": {**run.raw_config["trainer"], "mystery": 1}})
    with pytest.raises(UserError, match=r"trainer\.mystery.*0123456789ab"):
        _ = run.config


def test_a_split_keeps_text_and_marks_unknown_values(run):
    columns = {"image_id": ["007", "8"], "path": ["a/007.png", "b/8.png"], "label": ["NA", None]}
    columns |= {"subject": ["01", None], "sha256": ["0" * 64, "1" * 64], "part": ["test", "train"]}
    split = pd.DataFrame(columns)
    for rows in (split[:1], split):
        run.write_split(rows)
        pd.testing.assert_frame_equal(run.split.astype(object), rows.astype(object), check_dtype=False)


def test_predictions_are_read_anew_after_a_write(run):
    for images in (8, 12):
        run.write_predictions(make_predictions(images=images, subjects=4))
        assert len(run.predictions.frame) == images


def test_optional_files_are_empty_when_missing(run):
    for name in ("identity", "environment", "metrics", "raw_config"):
        assert getattr(run, name) == {}


HOSTILE = b"!!python/object/apply:os.system ['touch evil']"
DAMAGED = {
    "config": (RunFile.CONFIG, [b"\xff\xfe", b"[" * 100_000, HOSTILE, b"- 1"]),
    "metrics": (RunFile.METRICS, [b"{"]),
    "status": (RunFile.STATUS, [b'{"status": "finished", "images_seen": "many"}']),
    "data": (RunFile.DATA, [b"\xff", b"[]", b"[" * 100_000, b'{"classes": 3}']),
    "split": (RunFile.SPLIT, [b"\xff\xfe", b"image_id\n1\n"]),
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, (_, all_) in DAMAGED.items() for content in all_]
)
def test_a_damaged_or_hostile_file_is_named_in_one_line_and_runs_nothing(run, tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    file = DAMAGED[name][0]
    run.path(file).write_bytes(content)
    with pytest.raises(UserError, match=str(file)) as error:
        getattr(Run(run.folder), name)
    assert str(error.value).isprintable()
    assert not (tmp_path / "evil").exists()


def test_the_environment_is_not_read_into_a_run_of_strangers(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    config = small_config(tmp_path).model_dump(mode="json")
    run.write_config({**config, "data_dir": "${oc.env:SECRET}"})
    assert Run(run.folder).config.data_dir == "${oc.env:SECRET}"


@pytest.mark.parametrize("best", ["../../other.ckpt", "/etc/passwd"])
def test_weights_are_in_the_folder_of_the_run(run, best):
    run.write_status("finished", best=best)
    with pytest.raises(UserError, match="outside of the run"):
        _ = run.best_checkpoint


def test_a_recorded_log_or_map_that_is_gone_is_missed(tmp_path, capsys):
    log, maps = tmp_path / "logs" / "1-all" / "version_0" / "metrics.csv", tmp_path / "heatmaps" / "x.parquet"
    for path in (log, maps):
        write_text(path, "epoch,val/loss\n0,1.0\n")
    Run(tmp_path).write_status("finished")
    Run(tmp_path).record_made(maps)
    assert (len(Run(tmp_path).history), Run(tmp_path).heatmaps) == (1, [maps])
    log.unlink()
    maps.unlink()
    with pytest.raises(UserError, match="metrics.csv is missing"):
        _ = Run(tmp_path).history
    assert Run(tmp_path).heatmaps == []
    assert "x.parquet is missing: `python scripts/explain.py heatmaps" in capsys.readouterr().out
