"""The words of a command line: runs, and keys of sections of conf/."""

from pathlib import Path

from cytogenetics.cells.cell_settings import KaryotypeConfig
from karyocyte.config.command import Request, split_words
from karyocyte.config.schema import EvaluationConfig


def test_what_exists_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("seed=0").mkdir()
    words = ["outputs/x/fold0/seed=3", "seed=0", "latest", "seed=1", "data_dir=/some/where", "trisomy.21=0.1"]
    assert split_words(words) == (list(map(Path, words[:3])), words[3:])


class Asked(Request):
    """A request with two sections."""

    config: KaryotypeConfig
    evaluation: EvaluationConfig


def test_the_first_section_needs_no_name():
    asked = Asked.read(["run", "loss=0.4", "evaluation.resamples=20", "gain=0.002"])
    assert asked.paths == [Path("run")]
    assert (asked.config.loss, asked.config.gain, asked.evaluation.resamples) == (0.4, 0.002, 20)
