"""The folder of a run holds one run, is written by one process and records how the run ended."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.common.preemption import Preempted
from karyocyte.runs.address import run_identity
from karyocyte.runs.files import RunFile
from karyocyte.runs.lifecycle import begin, check_run, other_revisions, recorded
from karyocyte.runs.run import Run
from tests.helpers.training import small_config

CONTENTS = {"data": "d" * 64, "weights": "random", "init_from": None}


@pytest.fixture
def config(tmp_path):
    return small_config(tmp_path)


@pytest.fixture
def opened(tmp_path, config):
    """A run that was opened, and not trained."""
    begin(tmp_path / "run", config, run_identity(config, CONTENTS), [], [])
    return Run(tmp_path / "run")


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path, config):
    (tmp_path / "thesis.docx").write_text("precious")
    with pytest.raises(UserError, match=str(tmp_path)):
        check_run(tmp_path, run_identity(config, CONTENTS))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_revisions_of_a_continued_run_are_collected(opened, config):
    assert other_revisions(opened.folder) == []
    opened.write_json(RunFile.ENVIRONMENT, {**opened.environment, "revisions": ["0123456789ab"]})
    assert "0123456789ab" in other_revisions(opened.folder)[0]
    begin(opened.folder, config, run_identity(config, CONTENTS), [], [])
    assert len(Run(opened.folder).revisions) == 2


def test_a_run_that_goes_on_under_other_versions_says_so_and_keeps_those_of_each_stretch(opened, config, capsys):
    (stretch,) = opened.environment["stretches"]
    begin(opened.folder, config, run_identity(config, CONTENTS), [], [])
    assert Run(opened.folder).environment["stretches"] == [stretch]
    assert "begun with" not in capsys.readouterr().out
    opened.write_json(RunFile.ENVIRONMENT, {**opened.environment, "stretches": [{**stretch, "torch": "1.0"}]})
    begin(opened.folder, config, run_identity(config, CONTENTS), [], [])
    assert f"begun with torch 1.0, goes on with torch {stretch['torch']}" in capsys.readouterr().out
    assert Run(opened.folder).environment["stretches"] == [{**stretch, "torch": "1.0"}, stretch]


def test_what_a_killed_process_was_writing_is_removed_at_the_next_start(opened, config):
    left_over = opened.folder / "examples" / ".examples-a1_b2c3d.png"
    write_text(left_over, "half")
    kept = [opened.folder / ".lock", opened.folder / ".notes-of-mine.txt", opened.folder / "examples-a1_b2c3d.png"]
    for path in kept:
        path.touch()
    begin(opened.folder, config, run_identity(config, CONTENTS), [], [])
    assert not left_over.exists()
    assert all(path.exists() for path in kept)


def test_a_finished_run_takes_new_settings_of_evaluation_and_inference_alone(opened, tmp_path, capsys):
    before = opened.raw_config
    opened.write_status("finished")
    more = ["evaluation.resamples=77", "inference.batchnorm=images", "loader.workers=5"]
    config = small_config(tmp_path, *more)
    assert not begin(opened.folder, config, run_identity(config, CONTENTS), [], [])
    assert str(opened.folder) in capsys.readouterr().out.replace("\n", "")
    after = Run(opened.folder).raw_config
    assert (after["evaluation"]["resamples"], after["inference"]["batchnorm"]) == (77, "images")
    assert {**after, "evaluation": before["evaluation"], "inference": before["inference"]} == before


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Preempted(15), "preempted"), (ValueError("nan"), "failed"), (KeyboardInterrupt(), "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_status_records_how_a_run_ended(tmp_path, error, state):
    def train():
        with recorded(tmp_path):
            assert Run(tmp_path).status.state == "running"
            raise error

    with pytest.raises(type(error)):
        train()
    assert Run(tmp_path).status.state == state
