"""The commands that reproduce a paper: prepare its data, train its experiments, analyse and compare the runs."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.config.compose import compose_config
from common.config.reproduction import ReproductionConfig, check_overrides, load_reproduction
from common.paths import ROOT
from common.sweeps.records import key_of
from evaluation.papers.claims import read_claims
from workflows.sweeps.configs import job_configs

RESULTS = ROOT / "results"
PLAIN = re.compile(r"[\w@%+=:,./*-]+")  # needs no quotes in a shell, which is to expand the patterns
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
    """How the images are divided: ``name`` is "paper" or "honest"; ``about`` says it in words."""

    name: str
    about: str
    overrides: tuple[str, ...]


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
        folds: Of the jobs.
        splits: That of the paper, and with ``--honest`` the one without leaks.
        output: Folder of what is made of the runs.
    """

    paper: str
    config: ReproductionConfig
    experiments: tuple[str, ...]
    ensembles: pd.DataFrame
    words: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    splits: tuple[Split, ...]
    output: Path

    @property
    def job_words(self) -> tuple[str, ...]:
        """The overrides that are not about the cluster."""
        return tuple(word for word in self.words if not _is_of_cluster(word))

    @property
    def output_dir(self) -> Path:
        """Where the runs are written."""
        return Path(compose_config([f"+experiment={self.experiments[0]}", *self.job_words]).output_dir)


def make_plan(
    paper: str,
    words: Sequence[str],
    output: Path,
    seeds: Sequence[int] | None = None,
    folds: Sequence[int] | None = None,
    honest: bool = False,
) -> Plan:
    """Return the plan of a paper.

    Args:
        paper: Such as "004".
        words: Overrides of all jobs, and ``+cluster=...``.
        output: Folder of what is made of the runs.
        seeds: In place of those of conf/reproduction/.
        folds: Likewise.
        honest: Whether the experiments are also run on a split without leaks.

    Raises:
        UserError: The paper is unknown, or an override is one that the plan itself decides on.
    """
    config = load_reproduction(paper)
    check_overrides(words)
    claims = read_claims(RESULTS, (paper,)).drop_duplicates("experiment")
    trained = tuple(claims.loc[claims["method"] == "", "experiment"])
    ensembles = claims.loc[claims["method"] != "", ["experiment", "method", "members"]]
    splits = [Split("paper", "split as the paper did", config.as_paper)]
    if honest:
        splits.append(Split("honest", "honest split", config.honest))
    words = tuple(_per_dataset(word) for word in words) if config.folder_per_dataset else tuple(words)
    own = (tuple(seeds or config.seeds), tuple(folds or config.folds), tuple(splits))
    return Plan(paper, config, trained, ensembles, words, *own, output)


def check_plan(plan: Plan) -> None:
    """Compose the configuration of every job.

    Raises:
        UserError: An override is wrong, or ``data_dir`` does not exist, so nothing is to begin.
    """
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
        f"split.fold={','.join(map(str, plan.folds))}",
    )
    return Step(f"train-{split.name}", f"training, {split.about}", ("train.py", "-m", *jobs, *plan.words))


def number_of_jobs(plan: Plan) -> int:
    """Return how many runs are trained on each split."""
    return len(plan.experiments) * len(plan.seeds) * len(plan.folds)


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
    report = folder / "report.html"
    steps.append(Step(f"report-{split.name}", "report", ("scripts/report.py", *every, "--output", str(report)), report))
    return steps


def comparison_csv(plan: Plan) -> Path:
    """Return the table of the paper's figures and ours."""
    return plan.output / "reproduction.csv"


def comparison_step(plan: Plan, runs: Mapping[str, Runs]) -> Step:
    """Return the command that compares the runs of all splits, and the ensembles of them, with the paper."""
    compared = []
    for split in plan.splits:
        of_split = runs[split.name]
        compared += [run for experiment in plan.experiments for run in of_split.get(experiment, ())]
        for step in _ensemble_steps(plan, split, of_split):
            if step.about == ENSEMBLE and step.makes is not None:
                folds = [step.makes / f"fold{fold}" for fold in plan.folds] if len(plan.folds) > 1 else [step.makes]
                compared += [str(folder) for folder in folds]
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
        if len(folders) < len(members) * len(plan.folds):
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


def _per_dataset(word: str) -> str:
    """Let ``data_dir`` hold a folder for each data set of the paper."""
    if key_of(word) != "data_dir" or "${" in word:
        return word
    return f"{word.rstrip('/')}/${{data.source}}"


def _is_of_cluster(word: str) -> bool:
    return key_of(word).partition(".")[0] == "cluster"
