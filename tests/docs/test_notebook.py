"""The program for notebooks is that of its page, and short; it and that of the front page run outside the checkout."""

import os
import re
import sys
from pathlib import Path

from karyocyte.common.paths import ROOT
from tests import processes
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import write_class_folders, write_cnmc

PROGRAM = ROOT / "docs" / "guides" / "notebook.py"
LINES = 25
# On a batch of four images, without weights that are not part of the repository.
SMALL = {
    "batch_size=64": "batch_size=4",
    "clahe=True": "clahe=True, batch_size=4",
    'weights="resnet50_v1.msra_in1k"': 'weights="random"',
    # A checkpoint of 25 million weights at the end of each epoch would take most of the time.
    "Trainer(": "Trainer(enable_checkpointing=False, limit_train_batches=1, limit_val_batches=1, "
    "limit_test_batches=1, limit_predict_batches=1, ",
}
README = (ROOT / "README.md").read_text(encoding="utf-8")
FEW = {
    '"head": 10': '"head": 1',
    "epochs=8": "epochs=1",
    "Trainer(": "Trainer(limit_train_batches=1, ",
    '"blast")': '"blast", batch_size=4)',
    '"keras"': "None",
}


def test_the_page_shows_the_program_of_few_lines():
    text = PROGRAM.read_text(encoding="utf-8")
    page = PROGRAM.with_suffix(".md").read_text(encoding="utf-8")
    assert f"```python file=docs/guides/notebook.py\n{text}```" in page
    assert len([line for line in text.splitlines() if line.strip()]) <= LINES


def test_the_program_runs_in_a_folder_without_the_checkout(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    chromosomes = write_chromosomes(tmp_path / "set", cases=5, copies=1)
    cnmc = write_cnmc(tmp_path / "cnmc", subjects_per_fold=4)
    printed = printed_by(PROGRAM.read_text(encoding="utf-8"), SMALL, folder, [str(chromosomes), str(cnmc)])
    assert printed.count("test/f1_weighted") >= 2
    assert {path.name for path in folder.iterdir()} == {"cells.ckpt", "lightning_logs"}


def test_the_program_of_the_front_page_goes_from_folders_to_predictions(tmp_path):
    write_class_folders(tmp_path / "cells", {"blast": 12, "normal": 12})
    write_class_folders(tmp_path / "new_cells", {"": 2})
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    printed = printed_by(program, FEW, tmp_path, [])
    assert re.search(r"file prediction +probability\n0 +\S+.png +(blast|normal) +[01]", printed)


def printed_by(program: str, changes: dict[str, str], folder: Path, arguments: list[str]) -> str:
    """Run a program with some words changed in a folder; return what it has printed."""
    for words, small in changes.items():
        assert words in program
        program = program.replace(words, small)
    environment = {"HOME": str(folder.parent), "CUDA_VISIBLE_DEVICES": ""}
    output = folder.parent / f"{folder.name}.txt"
    process = processes.start(output, environment, _run, folder, program, arguments)
    assert processes.exit_code(process) == 0, output.read_text()
    return output.read_text()


def _run(folder: Path, program: str, arguments: list[str]) -> None:
    """Run a program in a folder, as a user without settings of ours."""
    for name in ("KARYOCYTE_CACHE_DIR", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    os.chdir(folder)
    sys.argv = ["notebook.py", *arguments]
    exec(program, {"__name__": "__main__"})
