"""Which commands reproduce a paper."""

import subprocess
from pathlib import Path

import pytest

from karyocyte.common.errors import UserError
from karyocyte.composition.grid import job_configs
from reproduction.plan import (
    Step,
    analysis_steps,
    comparison_step,
    make_plan,
    number_list,
    preparation_steps,
    training_step,
)


def plan_of(paper: str, *words: str, **options: object):
    return make_plan(paper, (f"data_dir={paper}-data", *words), Path("out"), **options)


def runs_of(plan, *folders: str) -> dict[str, list[str]]:
    """Return folders of finished runs of every experiment of a plan, by default of one seed."""
    return {name: [f"runs/{name}/{folder}" for folder in folders or ("seed=0",)] for name in plan.experiments}


def analysis_of(plan, runs=None, split=0) -> dict[str, Step]:
    """Return the commands that evaluate runs of a plan, by default one of each experiment, by name."""
    return {step.name: step for step in analysis_steps(plan, plan.splits[split], runs or runs_of(plan))}


def runs_in(step: Step) -> list[str]:
    return [word for word in step.words if word.startswith("runs/")]


@pytest.mark.parametrize("paper", ["001", "002", "003", "004"])
def test_weights_and_images_of_all_experiments_of_a_paper_are_brought_before_each_is_a_job(paper):
    plan = plan_of(paper, honest=True)
    experiments = f"+experiment={','.join(plan.experiments)}"
    weights, images = preparation_steps(plan)
    assert weights.words == (*images.words, "--weights")
    assert images.words[:2] == ("scripts/prepare_data.py", experiments)
    words = training_step(plan, plan.splits[0]).words
    assert words[:3] == ("train.py", "-m", experiments)
    assert {"protocol=paper", "seed=0"} <= set(words)
    assert len(set(plan.experiments)) == len(plan.experiments)


def test_ensembles_are_not_trained_but_combined_from_their_members():
    plan = plan_of("004")
    assert [claim.method for claim in plan.ensembles] == ["average", "genetic"]
    assert not {claim.experiment for claim in plan.ensembles} & set(plan.experiments)
    steps = analysis_of(plan)
    members = plan.ensembles[0].members
    average = steps["ensemble-average-paper"]
    assert average.words[:6] == ("scripts/ensemble.py", "average", *(f"runs/{member}/seed=0" for member in members))
    assert average.makes == Path("out/paper/ensemble_average")
    runs = runs_of(plan)
    del runs["vgg16_cut_block5"]  # without one of its members an ensemble is left out
    names = list(analysis_of(plan, runs))
    assert not [name for name in names if name.startswith("ensemble")]
    assert "report-paper" in names


def test_the_figures_of_the_papers_are_made_of_the_networks_that_they_name():
    rows = [f"{network}_{data}" for network in ("anet_c6", "vgg16") for data in ("mnist", "cifar10", "chromosomes")]
    members = list(plan_of("004").ensembles[0].members)
    expected = {("002", "figure-4.png"): ("layers", rows), ("004", "figures-39-40.png"): ("heatmaps", members)}
    for (paper, file), (what, networks) in expected.items():
        step = analysis_of(plan_of(paper))[f"{Path(file).stem}-paper"]
        assert step.makes == Path("out/paper", file)
        assert (step.words[1], [Path(run).parent.name for run in runs_in(step)]) == (what, networks)
    steps = analysis_of(plan_of("004", experiments=("vgg16_cut_block5",)))
    assert steps["figures-39-40-paper"].words[2:4] == ("runs/vgg16_cut_block5/seed=0", "samples=2")
    assert "figure-36-paper" not in steps


def test_the_search_of_a_paper_is_a_step_where_its_experiment_is_reproduced():
    steps = analysis_of(plan_of("001", "trainer.max_epochs=1", "+cluster=local"))
    words = steps["search-paper"].words
    assert words[:3] == ("scripts/tune.py", "+experiment=karyogram_vgg16", "protocol=paper")
    assert {"+search=lr_batch", "trainer.max_epochs=1", "search.out=out/paper/search"} <= set(words)
    assert "+cluster=local" not in words
    assert steps["search-paper"].makes == Path("out/paper/search/best.yaml")
    assert "search-paper" not in analysis_of(plan_of("001", experiments=("karyogram_inceptionv3",)))
    assert not [name for name in steps if "heatmaps" in name]  # the paper prints none


def test_each_data_set_of_a_paper_has_a_report_of_its_own():
    steps = analysis_of(plan_of("002"))
    reports = [name for name in steps if name.startswith("report")]
    assert reports == [f"report-{data}-paper" for data in ("mnist", "cifar10", "chromosomes")]
    of_mnist = [f"runs/{network}_mnist/seed=0" for network in ("alexnet", "anet_c6", "vgg16")]
    assert runs_in(steps[reports[0]]) == of_mnist


def test_the_cluster_is_for_the_training_alone():
    plan = plan_of("003", "+cluster=local", "cluster.jobs=3", "trainer.max_epochs=2")
    training = training_step(plan, plan.splits[0]).words
    assert {"+cluster=local", "cluster.jobs=3", "trainer.max_epochs=2"} <= set(training)
    for step in preparation_steps(plan):
        assert "trainer.max_epochs=2" in step.words
        assert not [word for word in step.words if "cluster" in word]


def test_a_folder_for_each_data_set_of_a_paper_of_several(monkeypatch):
    words = preparation_steps(plan_of("002"))[1].words
    assert "data_dir=002-data/${data.source}" in words
    sources = {Path(config.data_dir).name for config in job_configs(words[1:], needs_data=False)}
    assert sources == {"mnist", "cifar10", "chromosomes"}
    monkeypatch.setenv("KARYOCYTE_DATA_DIR", "somewhere")
    assert make_plan("002", (), Path("out")).words == ("data_dir=somewhere/${data.source}",)


def test_a_shell_reads_a_command_as_the_same_words():
    step = Step("train", ("train.py", "data_dir=/a folder/${data.source}", "+experiment=a,b", "it's"))
    show = f"python() {{ printf '%s\\n' \"$@\"; }}\n{step.line}"
    printed = subprocess.run(["bash", "-c", show], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == list(step.words)


def test_the_ensembles_of_several_folds_and_seeds_take_the_first_seed():
    plan = plan_of("004", seeds=(0, 1), folds=(0, 1), honest=True)
    paper, honest = plan.splits
    assert (paper.folds, honest.folds) == ((0,), (0, 1))  # draws of the paper's split overlap
    runs = runs_of(plan, *(f"fold{fold}/seed={seed}" for fold in honest.folds for seed in plan.seeds))
    members = runs_in(analysis_of(plan, runs, split=1)["ensemble-average-honest"])
    assert len(members) == 8
    assert not [member for member in members if member.endswith("seed=1")]
    made = [Path("out/honest/ensemble_average/fold0")]
    compared = comparison_step(plan, {"paper": {}, "honest": runs}, made)
    assert len(runs_in(compared)) == 4 * len(plan.experiments)
    assert [word for word in compared.words if "ensemble" in word] == ["out/honest/ensemble_average/fold0"]


def test_a_list_of_numbers_has_different_numbers_alone():
    assert number_list("0,2,10", "--seeds") == (0, 2, 10)
    assert number_list(None, "--seeds") is None
    for text in ("", "0,", "a", "-1", "0,0", "0 1"):
        with pytest.raises(UserError, match="--seeds"):
            number_list(text, "--seeds")
