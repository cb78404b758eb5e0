"""conf/sweep/: every sweep file names the jobs that it should, and every job composes."""

from functools import cache
from itertools import product

import pytest

from karyocyte.commands import train
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.common.installed import conf_files
from karyocyte.composition.grid import grid
from tests.helpers.training import call_main
from tests.test_experiments import PAPER_001, PAPER_002, PAPER_003, PAPER_004, UNFROZEN

EVIDENCE = {"resnet50_cut_block5", "resnet50_cut_block5_clahe", "mobilenetv2_cut", "mobilenetv2_last7"}
EVIDENCE |= {"resnet50_cut_block5_d512", "hem_all_cnn_64", "scratch_cnn_d128", "scratch_cnn_d256"}
EVIDENCE |= {"scratch_cnn_d256_dropout2", "scratch_cnn_d256x2"}
# Experiments, and in how many variants each of them runs.
GRIDS = {
    "cnmc_grid": (PAPER_004, 2 * 3),
    "anet_grid": (PAPER_002, 3),
    "hem_all_grid": (PAPER_003, 2 * 3),
    "karyogram_grid": (PAPER_001 | UNFROZEN, 3),
    "laboratories": ({"chromosomes"}, 3),
    "few_labels": ({"adapt"}, 6),
    "evidence": (EVIDENCE, 3),
    "smoke_grid": ({"scratch_cnn_d128", "hem_all_cnn_32", "resnet18_cut_block5"}, 2),
}


@cache
def jobs(*typed):
    with grid(typed) as expanded:
        return expanded.jobs


def values(job, key):
    return [word.split("=", 1)[1] for word in job if word.lstrip("+").split("=")[0] == key]


def test_all_sweep_files_are_tested_here():
    assert {path.stem for path in conf_files("sweep")} == {*GRIDS, "folds"}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_runs_each_experiment_in_each_variant_once_and_every_job_composes(name):
    """Seeds change nothing of that; of the two protocols, every other experiment is tried with the other one."""
    experiments, variants = GRIDS[name]
    with grid([f"+sweep={name}"]) as expanded:
        assert len(set(expanded.jobs)) == len(expanded.jobs) == len(experiments) * variants
        seed_0 = [job for job in expanded.jobs if values(job, "seed") in ([], ["0"])]
        step = len(seed_0) // len(experiments)
        tried = [seed_0[place + (place // step) % step] for place in range(0, len(seed_0), step)]
        for job in tried:
            config = expanded.job_config(job, needs_data=False)
            assert [config.name] == values(job, "experiment")
            assert [config.protocol] == (values(job, "protocol") or [config.protocol])
            assert config.init_from == ("models/chromosomes" if config.name == "adapt" else None)
    assert {value for job in tried for value in values(job, "experiment")} == experiments


def test_what_is_typed_overrules_the_sweep():
    typed = jobs("+sweep=cnmc_grid", "seed=0", "protocol=image")
    assert len(typed) == 18
    assert all(values(job, "seed") == ["0"] and values(job, "protocol") == ["image"] for job in typed)
    other = jobs("+sweep=cnmc_grid", "+experiment=hem_all_cnn_32", "seed=4,5")
    expected = {("hem_all_cnn_32", "4"), ("hem_all_cnn_32", "5")}
    assert {(*values(job, "experiment"), *values(job, "seed")) for job in other} == expected


@pytest.mark.parametrize("step", [1, -1])
def test_a_profile_follows_the_experiments_wherever_it_is_typed(step):
    with grid(["+sweep=hem_all_grid", "+profile=smoke"][::step]) as expanded:
        config = expanded.job_config(expanded.jobs[0], needs_data=False)
    assert (config.trainer.max_epochs, config.prepare.size) == (1, 80)


@pytest.mark.parametrize(
    ("typed", "folds"),
    [
        (["+experiment=resnet50_cut_block5"], 3),  # C-NMC's own
        (["+experiment=hem_all_cnn_32", "split.folds=7"], 3),
        (["+experiment=resnet50_cut_block5", "protocol=image"], 5),
        (["+experiment=resnet50_cut_block5", "protocol=paper", "split.folds=4"], 4),
        (["+experiment=chromosomes"], 5),
        (["+experiment=resnet50_cut_block5", "+profile=demo"], 5),
        (["+experiment=karyogram_vgg16", "split.folds=10", "seed=3"], 10),
        (["data=table", "split.folds=8"], 8),
        (["data=table", "data.part_column=part", "split.fold=range(0,4)"], 4),
        (["data=mnist", "split.test=test", "split.fold=0,1"], 2),
    ],
)
def test_folds_are_those_of_the_data_set(typed, folds):
    assert [values(job, "split.fold") for job in jobs("+sweep=folds", *typed)] == [[str(n)] for n in range(folds)]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["+sweep=folds", "+experiment=vgg16_features,anet_c6_chromosomes"], "+experiment may change the number"),
        (["+sweep=folds", "protocol=subject,image"], "protocol may change the number of folds"),
        (["+sweep=[folds,hem_all_grid]"], "+experiment may change the number"),
        (["+sweep=folds", "data=table", "data.part_column=part"], "only the table knows its folds"),
        (["+sweep=folds", "+experiment=anet_c6_mnist"], "split.test=test"),
        (["+sweep=cnmc_gird"], "there is no sweep=cnmc_gird: did you mean cnmc_grid"),
        (["+sweep=beside"], "the file of +sweep=beside sets seed, cluster for no job: put it under"),
        (["+sweep=nothing"], "In 'sweep/nothing': seed is null, and parameters of a sweep are texts"),
        (
            ["+sweep=[nested,cnmc_grid]"],
            "the file of +sweep=[nested,cnmc_grid]: unfreeze is no text: write whole names",
        ),
        (["+sweep=empty"], "the file of +sweep=empty has no first line `# @package _global_`"),
        (["+sweep=bare"], "the file of +sweep=bare has no first line `# @package _global_`"),
        (["+sweep=list"], "the file of +sweep=list: seed is no text: write whole names"),
        (["cluster.gpus_per_node=null"], "cluster.gpus_per_node needs +cluster=slurm"),
        (["+cluster=slurm", "cluster.jobs=2"], "cluster.jobs needs +cluster=local"),
        (["sweep=cnmc_grid"], "sweep is in no file of conf/ that this run uses: add it as `+sweep=cnmc_grid`"),
        (["transform.blr=1"], "transform.blr is in no file of conf/ that this run uses: did you mean `transform.blur`"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, typed, words):
    monkeypatch.setattr("sys.argv", ["train.py", "--config-dir", str(tmp_path)])
    head = "# @package _global_\n"
    write_text(tmp_path / "sweep" / "beside.yaml", f"{head}seed: 3\ncluster: {{gpus_per_node: null}}")
    files = {
        "nothing": "{seed: null}",
        "nested": "{unfreeze: {lr: 0.1}}",
        "list": "{seed: [0, 1]}",
        "bare": "{seed: '0,1'}",
    }
    for name, parameters in files.items():
        text = f"{head * (name != 'bare')}hydra: {{sweeper: {{params: {parameters}}}}}"
        write_text(tmp_path / "sweep" / f"{name}.yaml", text)
    write_text(tmp_path / "sweep" / "empty.yaml", "")
    with pytest.raises(UserError) as raised, grid(typed):
        pass
    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)


def test_folds_that_are_typed_multiply_with_whatever_else_there_is():
    assert len(jobs("+sweep=[folds,hem_all_grid]", "split.fold=range(0,3)")) == 3 * 18
    assert len(jobs("+sweep=folds", "+experiment=anet_c6_chromosomes,hem_all_cnn_64", "split.fold=0,1")) == 4


@pytest.mark.parametrize("flag", [[], ["-m"]])
def test_train_runs_the_jobs_of_a_sweep_with_or_without_its_flag(tmp_path, monkeypatch, flag):
    trained = []
    run = "karyocyte.workflows.training.train.run"
    monkeypatch.setattr(run, lambda config: trained.append(config) or tmp_path / "run")
    assert call_main(train.main, tmp_path, *flag, "+sweep=smoke_grid", "++data.images=24") == 0
    names = ("scratch_cnn_d128", "hem_all_cnn_32", "resnet18_cut_block5")
    assert [(config.name, config.seed) for config in trained] == list(product(names, (0, 1)))
    for config in trained:
        assert (config.data.source, config.data.images, config.weights) == ("synthetic", 24, "random")
        assert (config.trainer.max_epochs, config.trainer.limit_train_batches) == (1, 2)
