"""The commands that reproduce a paper: prepare its data, train its experiments, analyse and compare the runs."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.config.compose import compose_config
from common.config.grid import job_configs
from common.config.overrides import key_of
from common.errors import UserError
from common.paths import ROOT
from evaluation.comparison.claims import read_claims
from workflows.papers.settings import ReproductionConfig, check_overrides, load_reproduction

RESULTS = ROOT / "results"
DATA_VARIABLE = "KARYOCYTE_DATA_DIR"
# What needs no quotes in a shell, which is to expand the patterns of runs.
PLAIN = re.compile(r"[\w@%+=:,./*-]+|[\w@%+=:,./*{}-]+/seed=[\d,{}]+")
WEIGHTS, ENSEMBLE = "weights", "ensemble"
Runs = Mapping[str, Sequence[str]]  # the folders of the finished runs of each experiment


@dataclass(frozen=True)
class Step:
    """A command of a reproduction.

    Attributes:
        name: Unique in the plan; letters, digits and "-".
        about: What it does, a few words.
        words: What follows ``python``.
        makes: The file or folder that it writes; None where the command itself knows what it has done already.
    """

    name: str
    about: str
    words: tuple[str, ...]
    makes: Path | None = None

    @property
    def line(self) -> str:
        """The command as it is typed."""
        words = [word if PLAIN.fullmatch(word) else shlex.quote(word) for word in self.words]
        return " ".join(["python", *words])


@dataclass(frozen=True)
class Split:
    """How the images are divided: ``name`` is "paper" or "honest"; ``about`` says it in words.

    The draws of the paper's split overlap, so it has one; the folds of the honest split are apart.
    """

    name: str
    about: str
    overrides: tuple[str, ...]
    folds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Options:
    """What a user chooses: None and empty where conf/reproduction/ or results/claims.csv do.

    Attributes:
        experiments: Some of the paper's.
        seeds: Of the jobs.
        folds: Of the honest split.
        honest: Whether the experiments are also run on a split without leaks.
    """

    experiments: tuple[str, ...] = ()
    seeds: tuple[int, ...] | None = None
    folds: tuple[int, ...] | None = None
    honest: bool = False


@dataclass(frozen=True)
class Plan:
    """What is reproduced, and with which settings.

    Attributes:
        paper: Such as "004".
        config: Its file of conf/reproduction/.
        experiments: Of the paper's rows that train a network.
        ensembles: Its rows that combine networks: columns experiment, method and members (names with blanks between).
        words: Overrides of all jobs.
        seeds: Of the jobs.
        splits: That of the paper, and with ``--honest`` the one without leaks.
        output: Folder of what is made of the runs.
    """

    paper: str
    config: ReproductionConfig
    experiments: tuple[str, ...]
    ensembles: pd.DataFrame
    words: tuple[str, ...]
    seeds: tuple[int, ...]
    splits: tuple[Split, ...]
    output: Path

    @property
    def job_words(self) -> tuple[str, ...]:
        """The overrides that are not about the cluster."""
        return tuple(word for word in self.words if not _is_of_cluster(word))

    @property
    def output_dir(self) -> Path:
        """Where the runs are written."""
        return self.folders["output_dir"]

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that are written to, by their keys: ``output`` is that of what is made of the runs."""
        config = compose_config([f"+experiment={self.experiments[0]}", *self.job_words])
        return {"output_dir": Path(config.output_dir), "cache_dir": Path(config.cache_dir), "output": self.output}


def make_plan(paper: str, words: Sequence[str], output: Path, options: Options = Options()) -> Plan:
    """Return the plan of a paper, such as "004".

    Args:
        paper: Its number.
        words: Overrides of all jobs, and ``+cluster=...``.
        output: Folder of what is made of the runs.
        options: What the user chooses.

    Raises:
        UserError: The paper, or an experiment, is unknown, an override is one that the plan itself decides on, or there
            are folds without a split that has them.
    """
    config = load_reproduction(paper)
    check_overrides(words)
    if config.folder_per_dataset:
        words = _per_dataset(words)
    claims = read_claims(RESULTS, (paper,)).drop_duplicates("experiment")
    experiments = _chosen(tuple(claims.loc[claims["method"] == "", "experiment"]), options.experiments)
    ensembles = claims.loc[claims["method"] != "", ["experiment", "method", "members"]]
    seeds = options.seeds or config.seeds
    return Plan(paper, config, experiments, ensembles, tuple(words), seeds, _splits(config, options), output)


def _chosen(experiments: tuple[str, ...], chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the experiments of a paper, or those of them that are chosen."""
    for name in chosen:
        if name not in experiments:
            raise UserError(f"--experiments: the paper has no {name}; it has {', '.join(experiments)}")
    return tuple(name for name in experiments if not chosen or name in chosen)


def _splits(config: ReproductionConfig, options: Options) -> tuple[Split, ...]:
    """Return the split of the paper, and the honest one where it is asked for."""
    if options.folds and not (options.honest and config.folds):
        raise UserError("--folds are those of the honest split: add --honest (paper 002 has official test images)")
    splits = [Split("paper", "split as the paper did", config.as_paper)]
    if options.honest:
        folds = options.folds or config.folds or (0,)
        splits.append(Split("honest", "honest split", config.honest, folds))
    return tuple(splits)


def check_plan(plan: Plan) -> None:
    """Compose the configuration of every job.

    Raises:
        UserError: An override is wrong or has several values, or ``data_dir`` does not exist: nothing is to begin.
    """
    compose_config([f"+experiment={plan.experiments[0]}", *plan.job_words])
    for split in plan.splits:
        job_configs([f"+experiment={','.join(plan.experiments)}", *split.overrides, *plan.job_words])


def preparation_steps(plan: Plan) -> list[Step]:
    """Return the commands that bring the weights of all experiments and prepare their images."""
    words = (f"+experiment={','.join(plan.experiments)}", *plan.splits[0].overrides, *plan.job_words)
    script = "scripts/prepare_data.py"
    return [
        Step(WEIGHTS, "pretrained weights", (script, *words, "--weights")),
        Step("images", "images", (script, *words)),
    ]


def training_step(plan: Plan, split: Split) -> Step:
    """Return the command that trains all experiments on a split."""
    jobs = (
        f"+experiment={','.join(plan.experiments)}",
        *split.overrides,
        f"seed={','.join(map(str, plan.seeds))}",
        f"split.fold={','.join(map(str, split.folds))}",
    )
    return Step(f"train-{split.name}", f"training, {split.about}", ("train.py", "-m", *jobs, *plan.words))


def number_of_jobs(plan: Plan) -> int:
    """Return how many runs are trained."""
    return len(plan.experiments) * len(plan.seeds) * sum(len(split.folds) for split in plan.splits)


def analysis_steps(plan: Plan, split: Split, runs: Runs) -> list[Step]:
    """Return the commands that evaluate the finished runs of a split, each with what it writes."""
    folder = plan.output / split.name
    every = [run for experiment in plan.experiments for run in runs.get(experiment, ())]
    if not every:
        return []
    costs = folder / "costs.csv"
    steps = [Step(f"costs-{split.name}", "costs", ("scripts/collect.py", *every, "--csv", str(costs)), costs)]
    steps += _ensemble_steps(plan, split, runs)
    steps += _picture_steps("heatmaps", plan.config.heatmaps, split, folder, runs)
    steps += _picture_steps("layers", plan.config.layers, split, folder, runs)
    if split is plan.splits[0]:
        steps += _description_steps(plan, folder, runs)
    return steps + _report_steps(plan, split, folder, runs)


def comparison_csv(plan: Plan) -> Path:
    """Return the table of the paper's figures and ours."""
    return plan.output / "reproduction.csv"


def ensemble_folders(plan: Plan, runs: Mapping[str, Runs]) -> list[Path]:
    """Return the folders of the ensembles that the steps make, one for each fold."""
    folders = []
    for split in plan.splits:
        for step in _ensemble_steps(plan, split, runs[split.name]):
            if step.about == ENSEMBLE and step.makes is not None:
                folds = [step.makes / f"fold{fold}" for fold in split.folds]
                folders += folds if len(folds) > 1 else [step.makes]
    return folders


def comparison_step(plan: Plan, runs: Mapping[str, Runs], ensembles: Sequence[Path]) -> Step:
    """Return the command that compares the runs of all splits, and ensembles of them, with the paper."""
    compared = []
    for split in plan.splits:
        compared += [run for experiment in plan.experiments for run in runs[split.name].get(experiment, ())]
    compared += [str(folder) for folder in ensembles]
    csv = comparison_csv(plan)
    words = ("scripts/compare.py", *compared, "--paper", plan.paper, "--csv", str(csv))
    return Step("comparison", "the paper's figures and ours", words, csv)


def _ensemble_steps(plan: Plan, split: Split, runs: Runs) -> list[Step]:
    """Return the paper's ensembles and the analysis of the errors of their members, where all members are there."""
    steps: list[Step] = []
    analysed: set[str] = set()
    first_seed = f"seed={plan.seeds[0]}"  # the paper trains each network once
    for row in plan.ensembles.to_dict("records"):
        members = row["members"].split()
        folders = [run for member in members for run in runs.get(member, ()) if Path(run).name == first_seed]
        if len(folders) < len(members) * len(split.folds):
            continue
        target = plan.output / split.name / row["experiment"]
        combine = ("scripts/ensemble.py", row["method"], *folders, "--common", "--output", str(target))
        steps.append(Step(f"{row['experiment']}-{split.name}".replace("_", "-"), ENSEMBLE, combine, target))
        if row["members"] not in analysed:
            analysed.add(row["members"])
            target = plan.output / split.name / "errors"
            analyse = ("scripts/error_analysis.py", *folders, "--output", str(target))
            steps.append(Step(f"errors-{split.name}", "errors of the ensemble's members", analyse, target))
    return steps


def _picture_steps(kind: str, experiments: Sequence[str], split: Split, folder: Path, runs: Runs) -> list[Step]:
    """Return a command for the heat maps, or the outputs of layers, of the first run of each experiment."""
    steps = []
    for experiment in experiments:
        for run in runs.get(experiment, ())[:1]:
            picture = folder / f"{kind}-{experiment}.png"
            words = ("scripts/explain.py", kind, run, "--out", str(picture))
            steps.append(Step(f"{kind}-{split.name}-{experiment}", f"{kind} of {experiment}", words, picture))
    return steps


def _report_steps(plan: Plan, split: Split, folder: Path, runs: Runs) -> list[Step]:
    """Return the command of the report, one for each data set of the paper: a report is of one task."""
    by_source: dict[str, list[str]] = {}
    for experiment in plan.experiments:
        source = ""
        if plan.config.folder_per_dataset:
            source = f"-{compose_config([f'+experiment={experiment}', *plan.job_words]).data.source}"
        by_source.setdefault(source, []).extend(runs.get(experiment, ()))
    steps = []
    for source, of_source in by_source.items():
        if of_source:
            report = folder / f"report{source}.html"
            words = ("scripts/report.py", *of_source, "--output", str(report))
            steps.append(Step(f"report-{split.name}{source}", "report", words, report))
    return steps


def _description_steps(plan: Plan, folder: Path, runs: Runs) -> list[Step]:
    """Return the commands that describe what all splits share: the layers of the networks, the preparation."""
    table = folder / "layers.csv"
    networks = [runs[experiment][0] for experiment in plan.experiments if runs.get(experiment)]
    words = ("scripts/explain.py", "summary", *networks, "--csv", str(table))
    steps = [Step("summary", "layers and parameters of the networks", words, table)]
    if plan.config.before_after:
        pictures = folder / "before-after"
        of_one = (f"+experiment={plan.config.before_after}", *plan.splits[0].overrides, *plan.job_words)
        words = ("scripts/prepare_data.py", *of_one, "--no-images", "--before-after", str(pictures))
        steps.append(Step("before-after", "images before and after each step", words, pictures))
    return steps


def _per_dataset(words: Sequence[str]) -> list[str]:
    """Let ``data_dir``, typed or of the environment, hold a folder for each data set of the paper."""
    given = [word for word in words if key_of(word) == "data_dir"]
    if not given and os.environ.get(DATA_VARIABLE):
        given = [f"data_dir={os.environ[DATA_VARIABLE]}"]
    others = [word for word in words if key_of(word) != "data_dir"]
    return [*others, *(word if "${" in word else f"{word.rstrip('/')}/${{data.source}}" for word in given)]


def _is_of_cluster(word: str) -> bool:
    return key_of(word).partition(".")[0] == "cluster"
