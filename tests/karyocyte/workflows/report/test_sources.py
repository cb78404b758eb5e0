"""The runs of a report: what does not belong together, what heat maps speak for, and what is said first."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.pooling.averaging import average
from karyocyte.evaluation.pooling.experiments import Group
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.report.gallery import heat_words
from karyocyte.workflows.report.sources import Chapter, read_chapters
from karyocyte.workflows.report.summary import about_rows, limits, notices, terms
from tests.helpers.predictions import make_run
from tests.karyocyte.workflows.report.reports import CLEAN, LEAKS, NO_LEAKS, write_run


def chapter_of(run):
    settings = EvaluationConfig(resamples=20)
    return Chapter(Group("run", (run,), ("run",)), (), evaluate_runs([run], settings), {})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"classes": ("a", "b")}, "make a report of each task"),
        ({"seed": 5, "subjects": 7}, "make a report of each data set"),
    ],
)
def test_runs_that_do_not_belong_on_one_page(tmp_path, other, message):
    folders = [write_run(tmp_path / "first", make_run(), pictures=False)]
    folders.append(write_run(tmp_path / "other", make_run(about={"name": "other"}, **other), pictures=False))
    with pytest.raises(UserError, match=message):
        read_chapters(folders)


@pytest.mark.parametrize("is_evaluated", [True, False])
def test_a_run_of_strangers_calls_nothing_that_it_names(tmp_path, is_evaluated):
    evil = {"resamples": 20, "extra": {"evil": {"_target_": "absent.module.function"}}}
    run = Run(write_run(tmp_path / "run", make_run(), pictures=False))
    other = write_run(tmp_path / "other", make_run(1), pictures=False)
    run.write_config({"evaluation": evil})
    if is_evaluated:
        run.write_json(RunFile.METRICS, {"settings": evil})
    assert len(read_chapters([run.folder, other])) == 1


def test_what_a_heat_map_speaks_for_is_read_from_its_table(tmp_path):
    write_run(tmp_path, make_run(images=10, subjects=5), maps=("gradcam-x",))
    table = "image_id,target,empty\n007,NA,False\nb,all,True\n"
    write_text(tmp_path / "heatmaps" / "gradcam-x.csv", table)
    (maps,) = Run(tmp_path).heatmaps
    assert heat_words(maps) == {"007": "what speaks for “NA”", "b": "nothing speaks for “all”"}


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"leaks": LEAKS}, "subjects in more than one part: 3"),
        ({"protocol": "paper", "leaks": LEAKS}, "protocol = paper: leaks on purpose"),
        ({"protocol": "paper", "leaks": NO_LEAKS}, "protocol = paper: leaks on purpose"),
        ({"leaks": CLEAN}, "near-duplicates were looked for, and none was found"),
        ({"synthetic": True, "leaks": NO_LEAKS}, "SYNTHETIC"),
        ({"protocol": "image", "leaks": NO_LEAKS}, "a subject may be in two parts"),
        ({"on": "all_idb2", "leaks": NO_LEAKS}, "Tested on another data set: all_idb2"),
        ({"on": "x", "leaks": NO_LEAKS, "external": {"notes": ["1 subject is known"]}}, "1 subject is known"),
    ],
)
def test_leaks_protocol_and_drawn_images_are_named_first(about, expected):
    run = make_run(images=12, subjects=4, about=about)
    chapter = chapter_of(run)
    lines = list(about_rows(chapter).values())
    for notice in notices([chapter]):
        lines += [notice.title, *notice.lines]
    assert any(expected in line for line in lines)


@pytest.mark.parametrize(
    ("other", "title"),
    [
        ({"leaks": {**CLEAN, "subjects": 3}}, "Leaks were found"),
        ({"leaks": {**CLEAN, "near_pairs": 2}}, "Near-duplicates on both sides"),
        ({"leaks": NO_LEAKS}, "No leak found, but near-duplicates were not looked for"),
        ({"leaks": CLEAN, "protocol": "paper"}, "protocol = paper: leaks on purpose"),
        ({}, "Whether the test images leak into the training is not recorded"),
        ({"leaks": CLEAN}, "No leak found"),
    ],
)
def test_a_run_leaks_and_an_ensemble_where_any_of_its_members_does(other, title):
    members = [make_run(images=12, subjects=4, about=about) for about in ({"leaks": CLEAN}, other)]
    for run in (members[1], average(members, ["one", "other"]), average(members[::-1], ["other", "one"])):
        first = notices([chapter_of(run)])[0]
        assert first.title.startswith(title)
        assert (first.kind == "good") == (title == "No leak found")


def titles(folder):
    """What notices say of the runs in a folder, by their titles."""
    return {notice.title: notice.lines for notice in notices(read_chapters([folder]))}


def test_a_small_budget_and_a_single_seed_are_named_also_of_the_members_of_an_ensemble(tmp_path):
    runs = [make_run(images=12, subjects=4, about={"seed": seed}) for seed in (3, 4)]
    first, second = (write_run(tmp_path / f"{run.about['seed']}", run, pictures=False) for run in runs)
    seed = "One seed (3): how far figures vary from training to training is not known"
    budget = "Small budget: a longer training may be better"
    assert (seed in titles(first), budget in titles(first)) == (True, False)
    Run(first).write_config({"trainer": {"max_images": 2400}})
    curves = "epoch,val/loss\n0,0.7\n1,0.6\n"
    write_text(first / "logs" / "1-head" / "version_0" / "metrics.csv", curves)
    most, last = titles(first)[budget]
    assert (" 2,400 images " in most, last) == (True, "stage head had its best validation loss in its last epoch, 2")
    write_text(first / "logs" / "2-finetune" / "version_0" / "metrics.csv", curves.replace("0.6", "0.8"))
    assert titles(first)[budget] == [most]
    about = {"ensemble": 2, "seed": [3, 4], "fitted": {"images": 30}}
    both = make_run(images=12, subjects=4, about=about)
    folder = write_run(tmp_path / "both", both, pictures=False)
    write_ensemble(folder, EnsembleFile("average", (str(first), str(second)), ("a", "b"), {}))
    assert (titles(folder)[budget], seed in titles(folder)) == ([most], False)
    (chapter,) = read_chapters([folder])
    assert about_rows(chapter)["members"] == "a, b"
    assert "the ensemble was fitted on its 30 validation images" in limits(chapter.result, of_all=True)[0]
    (second / "predictions.parquet").unlink()
    assert budget not in titles(folder)


def test_the_terms_of_a_report_are_those_of_the_glossary():
    assert terms()["seed"] == "the number from which all random choices of a run follow"


def test_without_known_subjects_no_page_says_that_nothing_leaks():
    run = make_run(images=12, subjects=None, about={"leaks": {**NO_LEAKS, "near_pairs": 0}})
    notice, *_ = notices([chapter_of(run)])
    assert (notice.kind, "persons are not known" in notice.title) == ("unknown", True)


def test_what_is_missing_of_a_published_set_limits_the_figures():
    run = make_run(images=12, subjects=4, about={"incomplete": "partial: 95 of 10,661 training images"})
    warnings = chapter_of(run).result.warnings
    assert [each.text for each in warnings if each.topic == "data"] == ["partial: 95 of 10,661 training images"]
