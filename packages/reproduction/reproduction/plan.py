"""The commands that reproduce a paper: prepare its data, train its experiments, analyse and compare the runs."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_config
from karyocyte.composition.grid import job_configs
from karyocyte.config.base import Count, Name, StrictModel
from karyocyte.config.explain import validated
from karyocyte.config.overrides import key_of, overrides_outside
from karyocyte.config.schema import Config, as_classifier

if TYPE_CHECKING:
    from reproduction.claims import Claim

PAPERS = Path(__file__).with_name("papers.yaml")
OWN_KEYS = ("experiment", "sweep", "protocol", "seed", "name", "split.fold", "split.test")
DATA_VARIABLE = "KARYOCYTE_DATA_DIR"
WEIGHTS = "weights"
COMPARISON = "reproduction.csv"  # the paper's figures and ours
Runs = Mapping[str, Sequence[str]]  # the folders of the finished runs of each experiment


class StepConfig(StrictModel):
    """A step that a paper has of its own."""

    of: tuple[str, ...]
    words: tuple[str, ...]
    makes: str
    on_each_split: bool = False


class PaperConfig(StrictModel):
    """A section of papers.yaml, which explains the keys."""

    title: str
    as_paper: tuple[str, ...]
    honest: tuple[str, ...]
    seeds: tuple[Count, ...] = (0,)
    folds: tuple[Count, ...] = (0,)
    folder_per_dataset: bool = False
    steps: dict[Name, StepConfig] = {}


def read_paper(paper: str) -> PaperConfig:
    """Read the settings of a paper, such as "004"; a ``UserError`` says that there is none, or what is wrong."""
    papers = yaml.safe_load(PAPERS.read_text(encoding="utf-8"))
    if paper not in papers:
        raise UserError(f"there is no paper {paper}: choose from {', '.join(papers)}")
    return validated(PaperConfig, papers[paper])


@dataclass(frozen=True)
class Step:
    """A command of a reproduction: ``words`` follow ``python``.

    ``makes`` is the file or folder that it writes; None where the command itself knows what it has done already.
    """

    name: str
    words: tuple[str, ...]
    makes: Path | None = None

    @property
    def line(self) -> str:
        """The command as it is typed."""
        return shlex.join(["python", *self.words])


@dataclass(frozen=True)
class Split:
    """How the images are divided: ``name`` is "paper" or "honest".

    The draws of the paper's split overlap, so it has one; with persons apart ("honest") each fold tests others.
    """

    name: str
    overrides: tuple[str, ...]
    folds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Plan:
    """What is reproduced, and with which settings."""

    paper: str
    config: PaperConfig
    experiments: tuple[str, ...]
    ensembles: "tuple[Claim, ...]"  # of the paper's networks
    words: tuple[str, ...]  # overrides of all jobs
    seeds: tuple[int, ...]
    splits: tuple[Split, ...]  # that of the paper, and with ``--honest`` the one without leaks
    output: Path  # folder of what is made of the runs

    @property
    def job_words(self) -> tuple[str, ...]:
        """The overrides that are not about the cluster."""
        return overrides_outside(self.words, ("cluster",))

    @property
    def output_dir(self) -> Path:
        """Where the runs are written."""
        return Path(self.compose(self.experiments[0]).output_dir)

    def compose(self, experiment: str) -> Config:
        """Compose an experiment, on the split of its own."""
        return as_classifier(compose_config([f"+experiment={experiment}", *self.job_words]))

    def making(self, split: Split, name: str, words: Sequence[str], option: str, file: str) -> Step:
        """Return a command on the runs of a split that takes the path of what it makes as an option."""
        makes = self.output / split.name / file
        return Step(f"{name}-{split.name}", (*words, option, str(makes)), makes)

    def jobs_of(self, split: Split) -> tuple[str, ...]:
        """Return the overrides of all experiments on a split, for a command that composes each."""
        return (f"+experiment={','.join(self.experiments)}", *split.overrides, *self.job_words)


def make_plan(  # noqa: PLR0913 (the options of the command)
    paper: str,
    words: Sequence[str],
    output: Path,
    experiments: Sequence[str] = (),
    seeds: tuple[int, ...] | None = None,
    folds: tuple[int, ...] | None = None,
    honest: bool = False,
) -> Plan:
    """Return the plan of a paper, such as "004"; ``words`` are overrides of all jobs, and ``+cluster=...``.

    Some ``experiments``, ``seeds`` and ``folds`` take the place of those of results/claims.csv and papers.yaml;
    ``folds`` are those with persons apart, on which the experiments are also run with ``honest``. A ``UserError``
    names what is unknown, what the plan itself decides on, and folds without a split that has them.
    """
    config = read_paper(paper)
    _check_overrides(words)
    _check_folds(config, folds, honest)
    if config.folder_per_dataset:
        words = _per_dataset(words)
    from reproduction.claims import RESULTS, printed_claims  # takes a second: after the checks

    # A paper prints several figures of an experiment, which is trained once.
    claims = {claim.experiment: claim for claim in printed_claims(RESULTS, (paper,)) if claim.experiment}
    ensembles = tuple(claim for claim in claims.values() if claim.members)
    trained = _chosen(claims, experiments)
    without_leaks = Split("honest", config.honest, folds or config.folds or (0,))
    splits = [Split("paper", config.as_paper), *[without_leaks] * honest]
    return Plan(paper, config, trained, ensembles, tuple(words), seeds or config.seeds, tuple(splits), output)


def _check_overrides(words: Sequence[str]) -> None:
    """Refuse overrides that the plan decides on, by a ``UserError``."""
    for word in words:
        if key_of(word) in OWN_KEYS:
            raise UserError(f"{word}: reproduce.py decides on {key_of(word)}; see --seeds, --folds and --honest")


def _check_folds(config: PaperConfig, folds: tuple[int, ...] | None, honest: bool) -> None:
    if folds and not (honest and config.folds):
        raise UserError("--folds are those with persons apart: add --honest (paper 002 has official test images)")


def _chosen(claims: "Mapping[str, Claim]", some: Sequence[str]) -> tuple[str, ...]:
    """Return some of a paper's experiments, all where none is asked for; a ``UserError`` names one that it lacks."""
    trained = [name for name, claim in claims.items() if not claim.members]
    for name in set(some).difference(trained):
        raise UserError(f"--experiments: the paper has no {name}; it has {', '.join(trained)}")
    return tuple([name for name in trained if name in some] or trained)


def _per_dataset(words: Sequence[str]) -> list[str]:
    """Let ``data_dir``, typed or of the environment, hold a folder for each data set of the paper."""
    typed = [word.partition("=")[2] for word in words if key_of(word) == "data_dir"]
    folder = [os.environ.get(DATA_VARIABLE, ""), *typed][-1]
    if folder and "${" not in folder:
        folder = f"{folder.rstrip('/')}/${{data.source}}"
    kept = [word for word in words if key_of(word) != "data_dir"]
    return [*kept, *[f"data_dir={folder}"] * bool(folder)]


def check_plan(plan: Plan) -> dict[str, list[Config]]:
    """Compose every job once and return their configurations, those equal but for the seed once, by split.

    A ``UserError`` names a wrong override or a missing ``data_dir``: nothing is to begin.
    """
    configs = {split.name: list(map(as_classifier, job_configs(plan.jobs_of(split)))) for split in plan.splits}
    plan.compose(plan.experiments[0])  # words that are one value for all jobs
    return configs


def preparation_steps(plan: Plan) -> list[Step]:
    """Return the commands that bring the weights of all experiments and prepare their images."""
    words = ("scripts/prepare_data.py", *plan.jobs_of(plan.splits[0]))
    return [Step(WEIGHTS, (*words, "--weights")), Step("images", words)]


def training_step(plan: Plan, split: Split) -> Step:
    """Return the command that trains all experiments on a split."""
    jobs = (
        f"+experiment={','.join(plan.experiments)}",
        *split.overrides,
        f"seed={','.join(map(str, plan.seeds))}",
        f"split.fold={','.join(map(str, split.folds))}",
    )
    return Step(f"train-{split.name}", ("train.py", "-m", *jobs, *plan.words))


def analysis_steps(plan: Plan, split: Split, runs: Runs) -> list[Step]:
    """Return the commands that evaluate the finished runs of a split, each with what it writes."""
    every = _runs_of(plan.experiments, runs)
    if not every:
        return []
    steps = [plan.making(split, "costs", ("scripts/sweep_status.py", *every), "--csv", "costs.csv")]
    steps += _ensemble_steps(plan, split, runs)
    return steps + _own_steps(plan, split, runs) + _report_steps(plan, split, runs)


def comparison_step(plan: Plan, runs: Mapping[str, Runs], ensembles: Sequence[Path]) -> Step:
    """Return the command that compares the runs of all splits, and ensembles of them, with the paper."""
    compared = chain.from_iterable(_runs_of(plan.experiments, runs[split.name]) for split in plan.splits)
    makes = plan.output / COMPARISON
    words = (*compared, *map(str, ensembles), "--paper", plan.paper, "--csv", str(makes))
    return Step("comparison", ("scripts/evaluate.py", *words), makes)


def _runs_of(experiments: Iterable[str], runs: Runs) -> list[str]:
    """Return the runs of some experiments, in their order."""
    return list(chain.from_iterable(runs.get(experiment, ()) for experiment in experiments))


def _ensemble_steps(plan: Plan, split: Split, runs: Runs) -> list[Step]:
    """Return the paper's ensembles, where all members are there."""
    steps: dict[str, Step] = {}
    first_seed = f"seed={plan.seeds[0]}"  # the paper trains each network once
    for claim in plan.ensembles:
        folders = [run for run in _runs_of(claim.members, runs) if Path(run).name == first_seed]
        if len(folders) == len(claim.members) * len(split.folds):
            combine = ("scripts/ensemble.py", claim.method, *folders, "--common")
            name = claim.experiment.replace("_", "-")
            steps[name] = plan.making(split, name, combine, "--output", claim.experiment)
    return list(steps.values())


def _own_steps(plan: Plan, split: Split, runs: Runs) -> list[Step]:
    """Return the steps that papers.yaml has of a paper, of experiments that have finished runs."""
    steps = []
    for name, own in plan.config.steps.items():
        first = [runs[experiment][0] for experiment in own.of if runs.get(experiment)]
        if first and (own.on_each_split or split is plan.splits[0]):
            makes = plan.output / split.name / own.makes
            several = {"{runs}": first, "{as_paper}": [*split.overrides, *plan.job_words]}
            places = {"folder": plan.output / split.name, "makes": makes}
            words = chain.from_iterable(several.get(word) or [word.format(**places)] for word in own.words)
            steps.append(Step(f"{name}-{split.name}", tuple(words), makes))
    return steps


def _report_steps(plan: Plan, split: Split, runs: Runs) -> list[Step]:
    """Return the command of the report, one for each data set of the paper: a report is of one task."""
    by_source: dict[str, list[str]] = {}
    for experiment in filter(runs.get, plan.experiments):
        source = f"-{plan.compose(experiment).data.source}" if plan.config.folder_per_dataset else ""
        by_source.setdefault(source, []).extend(runs[experiment])
    steps = []
    for source, of_source in by_source.items():
        words = ("scripts/report.py", *of_source)
        steps.append(plan.making(split, f"report{source}", words, "--output", f"report{source}.html"))
    return steps


def number_list(text: str | None, option: str) -> tuple[int, ...] | None:
    """Read different numbers such as "0,1,2"; None of None. A ``UserError`` names the option."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise UserError(f"{option} {text}: type different numbers with commas between, such as 0,1,2")
    return tuple(map(int, parts))
