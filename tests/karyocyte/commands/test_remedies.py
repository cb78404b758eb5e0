"""The remedy of a refusal, which its message has between backquotes, works when it is typed."""

import difflib
import re
import shlex
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from datamodules.sources import list_configured
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_json
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import check_config, compose_overrides
from karyocyte.composition.grid import job_configs
from karyocyte.composition.named_files import check_files
from karyocyte.config.overrides import key_of
from karyocyte.runs.predictions import write_predictions
from karyocyte.runs.run import Run
from tests.helpers.images import write_class_folders
from tests.helpers.predictions import make_run
from tests.helpers.terminal import app_of

# What begins after the checks of a command is left out.
AFTER_CHECKS = {
    "predict": ("karyocyte.workflows.prediction.predict_images", "predict_images"),
    "evaluate": ("karyocyte.workflows.evaluation.evaluate_experiments", "evaluate_experiments"),
    "report": ("karyocyte.workflows.report.page", "write_report"),
    "karyotype": ("cytogenetics.karyotyping.karyotype_cells", "karyotype_cells"),
    "export": ("karyocyte.workflows.export.export_model", "export_model"),
    "ensemble": ("karyocyte.workflows.ensembles.make", "make_ensembles"),
    "sweep_status": ("karyocyte.workflows.sweeps.collect", "write_collected"),
}
OWN = "data=folder protocol=image cache_dir=cache"
REFUSED = [
    "train +profile=demo sed=1",
    "train +profile=demo trainer.max_epoch=1",
    "train +profile=demo +experiment=resnet50_cut_block5",
    f"train {OWN} data_dir=cells",
    f"train {OWN} data_dir=truths",
    f"train {OWN} data_dir=nulls data.positive_class=null",
    f"train {OWN} data_dir=nulls data.positive_class=x",
    f"train {OWN} data_dir=commas data.positive_class=x",
    f"train {OWN} data_dir=three data.positive_class=a",
    "train +profile=demo balance=paper transform=none",
    "train +profile=demo loss.label_smoothing=0.1 head.logits=1",
    "train +profile=demo callbacks.averaging.enabled=true trainer.precision=16-true",
    "train +profile=demo callbacks.averaging.enabled=true trainer.precision=bf16-true",
    f"train {OWN} data_dir=odd data.positive_class=x",
    f"train {OWN} data_dir=odd 'data.classes=[a,True]' data.positive_class=True",
    f"prepare_data {OWN} data_dir=cells",
    f"prepare_data {OWN} data_dir=truths data.positive_class=ture",
    "predict run0 cells --output new.txt",
    "predict run0 cells --output old.csv",
    "predict run0 cells colums=all --output new.csv",
    "evaluate run0 resampels=20",
    "evaluate run0 --output cells",
    "evaluate run0 --output notes.md",
    "karyotype cells los=0.1 --output new",
    "karyotype cells --output three",
    "export run0 --output cells",
    "ensemble average run0 run1 --output cells",
    "ensemble genetic run0 run1 populatoin=20 --output new",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with runs, images in classes of many names and other files."""
    folder = tmp_path_factory.mktemp("home")
    classes = {**dict.fromkeys(("cells", "my cells", "a,b", "Größe=2"), "ab"), "three": "abc"}
    classes |= {"truths": ("true", "false"), "nulls": ("null", "1e3")}
    classes |= {"commas": ("a,b", "c d"), "odd": ("${x}", "True")}
    for place, names in classes.items():
        write_class_folders(folder / place, dict.fromkeys(names, 2), size=16)
    for number, place in enumerate(("run0", "run1", "outputs/resnet_block5/fold0")):
        run = make_run(0, images=20, subjects=10, seed=number, about={"name": place})
        write_predictions(folder / place / "predictions.parquet", run)
        write_json(folder / place / "data.json", {"classes": run.classes, "positive_class": run.positive_class})
        Run(folder / place).write_status("finished")
    (folder / "portable").symlink_to(ROOT / "models" / "chromosomes")
    for name in ("old.csv", "fixed.csv", "notes.md", "model.safetensors"):
        (folder / name).touch()
    return folder


def call(name, words):
    """Call a command as far as its checks, and list the images that train.py and prepare_data.py would read."""
    if name == "train":
        composed = compose_overrides(words)
        config = check_config(composed)
        check_files(composed)
        list_configured(config, progress=False)
    elif name == "prepare_data":
        for config in job_configs(words):
            list_configured(config, progress=False)
    else:
        call_app(name, words)


def call_app(name, words):
    """Call an app, whose work after the checks is left out."""
    module, function = AFTER_CHECKS[name]
    with pytest.MonkeyPatch.context() as patch:
        nothing = SimpleNamespace(**{function: lambda *_, **__: None})
        patch.setitem(sys.modules, module, nothing)
        result = CliRunner().invoke(app_of(name), words)
    if result.exit_code == 1:
        raise UserError(result.stderr)
    assert result.exit_code == 0, result.output


def mended(words, message):
    """Return the words with the remedy, which is what the message has first between backquotes.

    Overrides and options take the place of those with the same key and of the words that are parts of them. Another
    remedy takes the place of the word that it resembles most among those that the message names.
    """
    text = re.search("`([^`]+)`", message)[1]
    remedy = shlex.split(text)
    if remedy[:2] == ["python", "train.py"]:
        return remedy[2:]
    if remedy[0].startswith("--"):
        place = words.index(remedy[0])
        return [*words[:place], *remedy, *words[place + 2 :]]
    if "=" not in text:
        named = [key_of(word) for word in words if key_of(word) in message.replace(f"`{text}`", "")]
        (old,) = difflib.get_close_matches(text, named, n=1)
        return [word.replace(old, remedy[0], 1) if key_of(word) == old else word for word in words]
    parts = [*map(key_of, remedy), *re.split("[ =]", " ".join(remedy))]
    replaced = [number for number, word in enumerate(words) if {word, key_of(word)} & set(parts)]
    place = replaced[0] if replaced else len(words)
    kept = [word for number, word in enumerate(words) if number not in replaced]
    return [*kept[:place], *remedy, *kept[place:]]


@pytest.mark.parametrize("typed", REFUSED)
def test_the_remedy_of_a_refusal_works_when_typed(home, monkeypatch, typed):
    monkeypatch.chdir(home)
    name, *words = shlex.split(typed)
    with pytest.raises(UserError) as refused:
        call(name, words)
    call(name, mended(words, str(refused.value)))
