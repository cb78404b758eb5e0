"""The program for notebooks runs outside the checkout, is that of its page, and is short."""

import os
import subprocess
import sys

from karyocyte.common.paths import ROOT
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import write_cnmc

PROGRAM = ROOT / "docs" / "guides" / "notebook.py"
LINES = 25
# On a batch of four images, without weights that are not part of the repository.
SMALL = {
    "batch_size=64": "batch_size=4",
    "clahe=True": "clahe=True, batch_size=4",
    'weights="resnet50_v1.msra_in1k"': 'weights="random"',
    "Trainer(": "Trainer(limit_train_batches=1, limit_val_batches=1, limit_test_batches=1, limit_predict_batches=1, ",
}


def test_the_page_shows_the_program_of_few_lines():
    text = PROGRAM.read_text(encoding="utf-8")
    assert f"```python file=docs/guides/notebook.py\n{text}```" in PROGRAM.with_suffix(".md").read_text(
        encoding="utf-8"
    )
    assert len([line for line in text.splitlines() if line.strip()]) <= LINES


def test_the_program_runs_in_a_folder_without_the_checkout(tmp_path):
    text = PROGRAM.read_text(encoding="utf-8")
    for words, small in SMALL.items():
        assert words in text
        text = text.replace(words, small)
    folder = tmp_path / "notebooks"
    folder.mkdir()
    environment = os.environ | {"HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    for name in ("KARYOCYTE_CACHE_DIR", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    images = [
        write_chromosomes(tmp_path / "set", cases=5, copies=1),
        write_cnmc(tmp_path / "cnmc", subjects_per_fold=4),
    ]
    command = [sys.executable, "-c", text, *map(str, images)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test/f1_weighted") >= 2
    assert {path.name for path in folder.iterdir()} == {"cells.ckpt", "lightning_logs"}
