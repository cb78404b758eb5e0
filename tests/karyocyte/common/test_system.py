"""What Linux has is missed by no program: a training, a prediction and the page of a review work without it."""

import subprocess
import sys

from karyocyte.common.paths import ROOT
from tests.helpers.images import write_class_folders

# As on Windows, as far as this system lets one take it away: other libraries need its signals on Linux.
WITHOUT = """
import runpy, signal, sys
sys.modules |= {"fcntl": None, "resource": None}
from karyocyte.common import system
system.WARNINGS, system._ALARM, system._CHILD_ENDED = (), None, None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TINY = [
    "model=resnet18", "model.cut=layer1", "weights=random", "unfreeze=whole", "unfreeze.lr=1e-3", "prepare.size=32",
    "loader.batch_size=8", "trainer.max_epochs=1", "trainer.accelerator=cpu", "evaluation.resamples=50",
    "name=portable",
]  # fmt: skip


def run(home, *words):
    code = [sys.executable, "-c", WITHOUT, *words]
    done = subprocess.run(code, cwd=home, env=None, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_programs_work_without_what_linux_alone_has(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_class_folders(tmp_path / "images", {"a": 12, "b": 12})
    data = ["data=folder", f"data_dir={tmp_path / 'images'}", "data.positive_class=b"]
    assert "results in" in run(tmp_path, ROOT / "train.py", *data, *TINY)
    run(tmp_path, ROOT / "scripts/predict.py", "latest", tmp_path / "images", "--output", tmp_path / "p.csv")
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 25
    run(tmp_path, ROOT / "scripts/report.py", "latest")
    assert list(tmp_path.glob("outputs/**/report.html"))
