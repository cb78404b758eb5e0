"""Which grade a printed figure has, by the predictions of runs and by what their configuration departs in."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from datamodules.manifest.splits import paper_counts
from karyocyte.common.errors import UserError
from karyocyte.common.paths import CONF, ROOT
from karyocyte.composition.compose import compose_config
from karyocyte.evaluation.comparison.departures import NOT_KNOWN
from karyocyte.evaluation.pooling.averaging import ensemble_name
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from packages.reproduction.tests.written_claims import DATA, claim, write_results
from reproduction.claims import PARTS, printed_claims
from reproduction.grades import OTHER_SETTINGS, count_grades, counted_as, grade_summary, grade_table, sign_tests
from reproduction.measured import BEST_EPOCH, OF_EPOCH, measure_runs
from tests.helpers.predictions import make_predictions, make_run

PRIVATE = [[*DATA[0][:-1], "no"]]
RIGHT = {"skill": 12}  # every image
OF_ONE = "cannot tell: one seed, train seeds 0, 1 and 2"


def written_run(folder, images=200, settings=None, skill=1.5, **about):
    """Write a run of the paper's own split and data, with as many validation images as test images."""
    run = Run(folder)
    facts = {"name": "net", "source": "cells", "protocol": "paper", "test": "fold", "images_seen": 600}
    seed = about.get("seed", 0)
    run.write_predictions(make_run(images=images, subjects=40, seed=seed, skill=skill, about=facts | about))
    run.write_config({"name": "net"} | (settings or {}))
    return run


def written_seeds(folder, count=3, **facts):
    """Write runs of several seeds."""
    return [written_run(folder / f"seed={seed}", seed=seed, **facts) for seed in range(count)]


def grades_of(folder, runs, *claims, data=DATA):
    """Return the graded claims of a made-up paper."""
    results = write_results(folder / "results", claims or [claim(printed="0.8")], data)
    return grade_table([run.folder for run in runs], results=results)


def test_the_interval_of_the_difference_decides_whatever_that_over_persons_is(tmp_path):
    runs = written_seeds(tmp_path)
    ours = grades_of(tmp_path, runs).iloc[0]
    reach = ours["difference_high"] - ours["difference"]
    printed = {"lower (worse)": reach, "higher (better)": -reach, "cannot tell": 0}
    claims = [claim(section=name, printed=f"{ours['value'] + 1.1 * by:.2f}") for name, by in printed.items()]
    table = grades_of(tmp_path, runs, *claims)
    assert table["grade"].map(counted_as).tolist() == list(printed)
    assert table["difference_low"].lt(table["difference"]).all()
    assert table["persons_low"].lt(ours["value"]).all()
    assert (table["images"].tolist(), table["of_images"].tolist()) == ([200] * 3, [200] * 3)


@pytest.mark.parametrize(
    ("facts", "data", "grade"),
    [
        ({"source": "others"}, DATA, "other images"),
        ({"on": "others (table, 200 images)"}, DATA, "other images"),
        ({"synthetic": True}, DATA, "other images"),
        ({"images": 300}, DATA, "other images"),
        ({"images": 100}, PRIVATE, "other images"),
        ({}, PRIVATE, "reproduced"),
        ({"images": 100}, DATA, "reproduced"),
        ({"images": 196}, DATA, "reproduced"),  # rounding of the split
        ({"protocol": "subject"}, DATA, "not run: protocol=subject is not the paper's split"),
        ({"images_seen": 599}, DATA, f"{OTHER_SETTINGS}: 599 images seen, less than one epoch"),
        ({"images": 100, "images_seen": 300}, DATA, "reproduced"),
        ({"images_seen": None}, DATA, "reproduced"),
    ],
)
def test_why_a_figure_has_another_grade(tmp_path, facts, data, grade):
    table = grades_of(tmp_path, written_seeds(tmp_path, **RIGHT, **facts), claim(printed="1.0"), data=data)
    assert table["grade"].tolist() == [grade]
    assert table["difference"].notna().tolist() == [grade == "reproduced"]


@pytest.mark.parametrize(
    ("words", "grade", "deviations"),
    [
        ([], "higher (better)", ""),
        (["prepare.size=64"], f"{OTHER_SETTINGS}: 64 px instead of 224 px", ""),
        (["weights=resnet50_v1.pruned_in1k"], f"{OTHER_SETTINGS}: other weights: resnet50_v1.pruned_in1k", ""),
        (["trainer.max_images=9"], "higher (better)", "trainer.max_images=9"),
        (["loader.workers=1", "seed=3"], "higher (better)", ""),
    ],
)
def test_a_setting_that_is_printed_changes_the_grade_and_one_of_ours_is_named(tmp_path, words, grade, deviations):
    composed = compose_config(["+experiment=resnet50_cut_block5", *words]).model_dump(mode="json")
    facts = {"name": "resnet50_cut_block5", "source": "cnmc", "images_seen": 6396}
    runs = written_seeds(tmp_path, settings=composed, **facts)
    data = [["004", "cnmc", "by image", "60 20 20", 1000, 600, 200, 200, "hem all", "yes"]]
    row = grades_of(tmp_path, runs, claim("resnet50_cut_block5", printed="0.1", dataset="cnmc"), data=data).iloc[0]
    assert (row["grade"], row["deviations"]) == (grade, deviations)


def test_a_run_without_configuration_is_not_known(tmp_path):
    run = written_run(tmp_path / "run")
    run.path(RunFile.CONFIG).unlink()
    assert grades_of(tmp_path, [run])["grade"].tolist() == [f"{OTHER_SETTINGS}: {NOT_KNOWN}"]


def test_a_training_that_names_one_class_is_counted_and_in_no_figure(tmp_path):
    runs = written_seeds(tmp_path)
    alone = grades_of(tmp_path, runs[1:]).iloc[0]
    predictions = runs[0].predictions
    predictions.frame[["prob_hem", "prob_all"]] = 0.25, 0.75
    runs[0].write_predictions(predictions)
    row = grades_of(tmp_path, [Run(run.folder) for run in runs]).iloc[0]
    kept = ["value", "difference_low", "persons_low"]
    assert row[kept].tolist() == alone[kept].tolist()
    assert row["one_class"] == "1 of 3"
    table = grades_of(tmp_path, [Run(run.folder) for run in runs[:2]])
    assert table["grade"].tolist() == ["cannot tell: 1 of 2 trainings name one class for all images"]


def test_figures_of_other_networks_that_ours_would_reproduce_are_counted(tmp_path):
    printed = {"a": "0.99", "b": "1.0", "c": "0.5", "": "1.0"}
    others = [claim(name, printed=figure) for name, figure in printed.items()]
    others += [claim("a", metric="auc", printed="1.0"), claim("a", printed="")]
    table = grades_of(tmp_path, written_seeds(tmp_path, **RIGHT), claim(printed="1.0"), *others)
    assert table["rivals"][0] == "2 of 3"


def test_the_readings_of_an_experiment_are_named_the_one_of_conf_first(tmp_path):
    runs = []
    for name, words in (("frozen", ["unfreeze.stages.finetune.batchnorm=frozen"]), ("train", [])):
        settings = compose_config(["+experiment=mobilenetv2_last7", "seed=3", *words]).model_dump(mode="json")
        runs.append(written_run(tmp_path / name, settings=settings, name="mobilenetv2_last7", config=name))
    table = grades_of(tmp_path, runs, claim("mobilenetv2_last7"))
    assert table["reading"].tolist() == ["as in conf/", "unfreeze.stages.finetune.batchnorm=frozen"]


@pytest.mark.parametrize("lower", [0, 1, 5])
def test_the_sign_test_is_that_of_scipy_with_losses_turned_round(lower):
    rows = []
    for number in range(7):
        sign = -1 if number < lower else 1
        rows += [(f"net{number}", "f1_weighted", 0.1 * sign), *[(f"net{number}", "loss", -0.1 * sign)] * 2]
    table = pd.DataFrame([*rows, ("even", "f1_weighted", 0.0)], columns=["experiment", "metric", "difference"])
    table = table.assign(paper="009", section=range(len(table)), part="test", printed="0.9", grade="cannot tell: x")
    for row in sign_tests(table).to_dict("records"):
        assert (row["networks"], row["worse"], row["better"]) == (7, lower, 7 - lower)
        assert row["p"] == pytest.approx(stats.binomtest(lower, 7).pvalue)


def test_predictions_that_were_kept_are_enough_and_are_found(tmp_path):
    """Of the folder of a run there are config.yaml and slim predictions alone."""
    run = written_run(tmp_path / "results" / "evidence" / "net" / "paper", images=100)
    kept = run.predictions
    names = ["prob_hem", "prob_all", "uncertainty"]
    kept.frame[names] = kept.frame[names].astype(np.float16)
    run.write_predictions(kept)
    assert sorted(file.name for file in run.folder.iterdir()) == ["config.yaml", "predictions.parquet"]
    claims = [claim(), claim(part="validation", metric="loss", printed="9")]
    assert grades_of(tmp_path, [], *claims)["grade"].tolist() == [OF_ONE, OF_ONE]


def test_without_any_evidence_nothing_was_run(tmp_path):
    table = grades_of(tmp_path, [], claim(), claim("other", not_run="no weights"))
    assert table["grade"].tolist() == ["not run: no predictions are kept", "not run: no weights"]
    assert (table["measurement"].tolist(), grade_summary(table)) == ([0, 0], "2 printed figures: 2 not run")


def test_seeds_count_together_configurations_have_a_row_each_and_the_honest_split_stands_beside(tmp_path):
    runs = [written_run(tmp_path / f"seed={seed}", seed=seed) for seed in range(2)]
    runs.append(written_run(tmp_path / "frozen", config="other"))
    runs.append(written_run(tmp_path / "apart", protocol="subject"))
    table = grades_of(tmp_path, runs, claim(), claim("other"))
    assert table["measurement"].tolist() == [1, 2, 0]
    assert table["seeds"].fillna("").tolist() == ["0 1", "0", ""]
    assert table["apart"].notna().tolist() == [True, True, False]
    with pytest.raises(UserError, match="of the same fold and seed: name one of them"):
        grades_of(tmp_path, [runs[0], runs[0]])


@pytest.mark.parametrize(
    ("method", "members", "measured"),
    [("average", ["a", "b"], 1), ("average", ["b", "a"], 1), ("average", ["a", "c"], 0), ("genetic", ["a", "b"], 0)],
)
def test_an_ensemble_is_the_papers_with_its_members_only(tmp_path, method, members, measured):
    run = written_run(tmp_path / "run", name=ensemble_name(method, len(members), members))
    assert grades_of(tmp_path, [run], claim("mean", method="average", members="a b"))["measurement"][0] == measured


def test_training_figures_are_of_the_predictions_of_training_images(tmp_path):
    runs = written_seeds(tmp_path)
    claims = [claim(part="train", metric=metric, printed="0.00") for metric in ("loss", "accuracy")]
    assert set(grades_of(tmp_path, runs, *claims)["grade"].str.partition(" no ")[0]) == {"not run: the run keeps"}
    for seed, run in enumerate(runs):
        train = make_predictions(300, part="train", seed=seed, about=run.predictions.about)
        run.write_predictions(train, RunFile.PREDICTIONS_TRAIN)
    table = grades_of(tmp_path, runs, *claims)
    assert table["grade"].tolist() == ["higher (worse)", "higher (better)"]
    assert table["images"].tolist() == [300, 300]


@pytest.mark.parametrize(
    ("accuracies", "grade"),
    [([0.605, 0.605, 0.606], "reproduced"), ([0.8, 0.8, 0.81], "higher (better)"), ([0.6], OF_ONE)],
)
@pytest.mark.parametrize("has_log", [True, False])
def test_means_of_an_epoch_are_those_of_the_chosen_one(tmp_path, accuracies, grade, has_log):
    runs = []
    for seed, accuracy in enumerate(accuracies):
        fact = {} if has_log else {BEST_EPOCH: {"train/acc": accuracy}}
        run = written_run(tmp_path / f"seed={seed}", seed=seed, monitor="val/auc", **fact)
        if has_log:
            log = {"epoch": [0, 1, 2], "val/auc": [0.7, 0.9, 0.8], "train/acc": [0.1, accuracy, 1.0]}
            folder = run.folder / "logs" / "1-head" / "version_0"
            folder.mkdir(parents=True)
            pd.DataFrame(log).to_csv(folder / "metrics.csv", index=False)
        runs.append(run)
    claims = [claim(part="train", metric=f"epoch_{name}", printed="0.60") for name in ("accuracy", "loss")]
    table = grades_of(tmp_path, runs, *claims)
    assert table["grade"].tolist() == [grade, "not run: the run keeps no train epoch loss"]


def test_a_figure_counts_once_by_the_grade_that_is_least_in_its_favour():
    rows = [("a", "cannot tell: x"), ("a", "higher (worse)"), ("b", "not run: x"), ("b", "reproduced")]
    rows += [("c", "other images"), ("d", "reproduced"), ("d", "cannot tell: 0.1 wide")]
    table = pd.DataFrame(rows, columns=["experiment", "grade"])
    table = table.assign(paper="009", section="1", part="test", metric="auc", printed="0.9")
    assert count_grades(table) == {"higher (worse)": 1, "cannot tell": 1, "reproduced": 1, "other images": 1}


def test_the_table_of_claims_has_each_printed_figure_once_and_names_experiments_of_ours():
    claims = printed_claims(ROOT / "results")
    keys = [(claim.paper, claim.section, claim.experiment, claim.part, claim.metric, claim.printed) for claim in claims]
    assert len(keys) == len(set(keys))
    assert sum(bool(claim.printed) for claim in claims) == 228
    trained = {claim.experiment for claim in claims if not claim.members} - {""}
    assert trained <= {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    assert len({claim.experiment for claim in claims if claim.headline}) == sum(claim.headline for claim in claims)


def test_each_printed_metric_is_measured_of_a_run_but_for_two_that_none_keeps(tmp_path):
    run = written_run(tmp_path / "run", seed=0)
    measured = {name for _, name in measure_runs([run])[0].figures} | set(OF_EPOCH)
    printed = {claim.metric for claim in printed_claims(ROOT / "results") if claim.experiment and claim.printed}
    of_two_classes = {name.replace("/abnormal", "/all").replace("/normal", "/hem") for name in printed}
    assert of_two_classes - measured == {"sure_when_right", "sure_when_wrong"}


@pytest.mark.parametrize("experiment", ["karyogram_vgg16", "alexnet_mnist", "hem_all_cnn_64", "resnet50_cut_block5"])
def test_an_experiment_of_each_paper_draws_test_parts_of_the_papers_size(experiment):
    data = next(each.data for each in printed_claims(ROOT / "results") if each.experiment == experiment)
    config = compose_config([f"+experiment={experiment}", f"data={data.dataset}", "protocol=paper", "split.test=fold"])
    train, validation = paper_counts(data.total, config.data.paper_split)
    assert data.is_whole(PARTS[2], data.total - train - validation)
