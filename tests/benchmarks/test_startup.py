"""What a job imports before its first batch, and how its start is timed."""

import importlib.util
import json
from types import ModuleType

import pandas as pd
import pytest
from rich.console import Console

from benchmarks import startup
from common.errors import UserError

# What only later steps, other commands or an asked-for key need.
NEEDLESS = {
    "captum",
    "cma",
    "evaluation.evaluate",
    "jinja2.environment",
    "onnx",
    "onnxruntime",
    "optuna",
    "pytorch_grad_cam",
    "scripts",
    "statsmodels",
    "submitit",
    "tensorboard",
    "typer",
}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A job of the smallest network, up to its first batch: what the probe has written."""
    network = ["model=resnet18", "model.cut=layer1", "prepare.size=32", "loader.batch_size=4"]
    data = ["data=synthetic", "data.images=40", "data.subjects=10", "data.size=32", "weights=random"]
    processes = startup.Processes(tmp_path_factory.mktemp("start"), [*network, *data, "logger.tensorboard=false"])
    return processes.job_facts()


def test_a_job_imports_nothing_before_its_first_batch_that_it_does_not_need(start):
    assert "torch" in start["modules"]
    assert not NEEDLESS & set(start["modules"])


def test_every_moment_of_a_start_counts_once(start):
    spans = startup._times(start)
    assert set(startup.PHASES) == set(spans)
    wall = sum(span[0] for phase, span in spans.items() if phase != "total")
    assert wall == pytest.approx(spans["total"][0], abs=0.1)
    assert spans["torch"][0] > spans["timm"][0] > 0
    assert spans["python"][0] < 1


def test_a_job_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(UserError, match=r"did not come to its first batch: .*no_such_key"):
        startup.Processes(tmp_path, ["no_such_key=1"]).job_facts()


@pytest.fixture
def probe(monkeypatch, tmp_path):
    """The probe's module, not at work, with a clock that the test turns."""
    monkeypatch.delenv("KARYOCYTE_STARTUP", raising=False)
    spec = importlib.util.spec_from_file_location("probe", startup.PROBE / "sitecustomize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", str(tmp_path))
    module.now = 0.0
    monkeypatch.setattr(module.Watch, "_now", lambda self: (module.now, module.now / 2))
    return module


def test_a_group_within_a_group_is_not_counted_twice(probe):
    watch = probe.Watch()
    for group, seconds in (("torch", 1), ("Lightning", 2)):
        watch.enter(group)
        probe.now += seconds
    watch.leave()
    probe.now += 10
    watch.leave()
    probe.now += 100
    watch.finish()
    assert watch.spent == {"compose": [100, 50], "torch": [11, 5.5], "Lightning": [2, 1]}


def test_a_package_counts_for_the_library_that_imports_it(probe):
    watch = probe.Watch()
    imports = probe.TimedImports(watch)
    assert imports._group("scipy.stats") == "other libraries"
    assert imports._group("datamodules.manifest.leakage") == "our modules"
    watch.enter("Lightning")
    assert imports._group("scipy.stats") == "Lightning"
    assert imports._group("torch._dynamo") == "torch"


def test_a_function_is_timed_and_the_first_batch_ends_the_watch(probe, tmp_path):
    watch = probe.Watch()
    imports = probe.TimedImports(watch)

    class Classifier:
        def training_step(self) -> str:
            return "a step"

    def build() -> str:
        probe.now += 3
        return "built"

    building, classifier = ModuleType("lightning_modules.build"), ModuleType("lightning_modules.classifier")
    building.build_classifier, classifier.Classifier = build, Classifier
    for module in (building, classifier):
        imports._wrap_functions(module)
    assert building.build_classifier() == "built"
    assert not list(tmp_path.iterdir())
    assert [Classifier().training_step() for _ in range(2)] == ["a step"] * 2
    (file,) = tmp_path.iterdir()
    facts = json.loads(file.read_text())
    assert facts["groups"]["build"] == [3, 1.5]
    assert set(facts["modules"]) >= {"sys", "json"}


def test_the_time_of_sbatch_is_noted(probe, tmp_path):
    probe.note_submission("subprocess.Popen", ("git", ["git"], None, None))
    assert not list(tmp_path.iterdir())
    probe.note_submission("subprocess.Popen", ("/usr/bin/sbatch", ["sbatch"], None, None))
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text())["submitted"] > 1e9


def test_medians_over_the_rounds_and_what_is_beyond_the_libraries():
    job = [{"torch": (wall, 1.0), "total": (wall + 2, 2.0)} for wall in (1.0, 5.0, 2.0)]
    bare = [{"torch": (1.0, 1.0), "total": (1.5, 1.0)}] * 3
    submitted = [dict(zip(startup.WAITING, [(1.0, float("nan"))] * 3 + [(3.0, 2.0)], strict=True))]
    times = {(startup.BARE, True): bare, (startup.JOB, True): job, (startup.SUBMITTED, True): submitted}
    found = pd.DataFrame(list(startup._rows(times)))
    assert startup.beyond(found) == 4.0 - 1.5
    assert startup.beyond(found, "cpu_s") == 2.0 - 1.0
    console = Console(width=100, record=True)
    console.print(startup.startup_table(found))
    text = console.export_text()
    assert "4.00 (2.00)" in text
    assert "nan" not in text
    assert "queue" in text
