"""The commands that reproduce a paper: prepare its data, train its experiments, analyse and compare the runs."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_config
from karyocyte.composition.grid import job_configs
from karyocyte.config.overrides import key_of, overrides_outside
from karyocyte.config.schema import Config, as_classifier
from karyocyte.evaluation.comparison.claims import read_claims
from karyocyte.workflows.papers.claims import RESULTS
from karyocyte.workflows.papers.settings import ReproductionConfig, check_overrides, load_reproduction

DATA_VARIABLE = "KARYOCYTE_DATA_DIR"
PLAIN = re.compile(r"[\w@%+=:,./*-]+")  # what needs no quotes in a shell, which is to expand the patterns of runs
LINE = 80  # columns of a terminal
# Of a word, at most 70 letters to a line, beside indentation and quotes; behind a comma or a slash where there is one.
PIECE = re.compile(r".{1,70}$|.{1,70}(?<=[,/])|.{1,70}", re.DOTALL)
WEIGHTS = "weights"
COMPARISON = "reproduction.csv"  # the paper's figures and ours
Runs = Mapping[str, Sequence[str]]  # the folders of the finished runs of each experiment


@dataclass(frozen=True)
class Step:
    """A command of a reproduction: ``words`` follow ``python``.

    ``makes`` is the file or folder that it writes; None where the command itself knows what it has done already.
    """

    name: str
    words: tuple[str, ...]
    makes: Path | None = None

    @classmethod
    def making(cls, name: str, words: Sequence[str], option: str, makes: Path) -> "Step":
        """Return a command that takes the path of what it makes as an option."""
        return cls(name, (*words, option, str(makes)), makes)

    @property
    def line(self) -> str:
        """The command as it is typed."""
        return " ".join(["python", *map(_quoted, self.words, self.words)])

    @property
    def lines(self) -> list[str]:
        """The command in lines of at most LINE characters, which a shell reads as one; a long word goes on at once."""
        lines = ["python"]
        for word in self.words:
            first, *more = (_quoted(piece, word) for piece in PIECE.findall(word))
            if len(lines[-1]) + len(first) + 3 > LINE:
                lines[-1] += " \\"
                lines.append("   ")
            lines[-1] += f" {first}"
            for piece in more:
                lines[-1] += "\\"
                lines.append(piece)
        return lines


def _quoted(piece: str, word: str) -> str:
    """Quote a piece of a word, or all of it, where the word needs quotes."""
    return piece if PLAIN.fullmatch(word) else shlex.quote(piece)


@dataclass(frozen=True)
class Split:
    """How the images are divided: ``name`` is "paper" or "honest".

    The draws of the paper's split overlap, so it has one; the folds of the honest split are apart.
    """

    name: str
    overrides: tuple[str, ...]
    folds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Options:
    """What a user chooses, None and empty where conf/reproduction/ or results/claims.csv do.

    ``honest``: whether the experiments are also run on a split without leaks; ``folds`` are of that.
    """

    experiments: tuple[str, ...] = ()
    seeds: tuple[int, ...] | None = None
    folds: tuple[int, ...] | None = None
    honest: bool = False


@dataclass(frozen=True)
class ReproductionPlan:
    """What is reproduced, and with which settings."""

    paper: str
    config: ReproductionConfig
    experiments: tuple[str, ...]
    # the paper's rows that combine networks: columns experiment, method and members (names with blanks)
    ensembles: pd.DataFrame
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
        return Path(compose_config([f"+experiment={self.experiments[0]}", *self.job_words]).output_dir)

    def jobs_of(self, split: Split) -> tuple[str, ...]:
        """Return the overrides of all experiments on a split, for a command that composes each."""
        return (f"+experiment={','.join(self.experiments)}", *split.overrides, *self.job_words)


def make_plan(paper: str, words: Sequence[str], output: Path, options: Options = Options()) -> ReproductionPlan:
    """Return the plan of a paper, such as "004"; ``words`` are overrides of all jobs, and ``+cluster=...``.

    A ``UserError`` names what is unknown, what the plan itself decides on, and folds without a split that has them.
    """
    config = load_reproduction(paper)
    check_overrides(words)
    if config.folder_per_dataset:
        words = _per_dataset(words)
    if options.folds and not (options.honest and config.folds):
        raise UserError("--folds are those of the honest split: add --honest (paper 002 has official test images)")
    # A paper prints several figures of an experiment, which is trained once.
    claims = read_claims(RESULTS, (paper,)).query("experiment != ''").drop_duplicates("experiment")
    trained = claims.loc[claims["method"] == "", "experiment"]
    for name in options.experiments:
        if name not in set(trained):
            raise UserError(f"--experiments: the paper has no {name}; it has {', '.join(trained)}")
    if options.experiments:
        trained = trained[trained.isin(options.experiments)]
    splits = [Split("paper", config.as_paper)]
    if options.honest:
        splits.append(Split("honest", config.honest, options.folds or config.folds or (0,)))
    ensembles = claims.loc[claims["method"] != "", ["experiment", "method", "members"]]
    seeds = options.seeds or config.seeds
    return ReproductionPlan(paper, config, tuple(trained), ensembles, tuple(words), seeds, tuple(splits), output)


def check_plan(plan: ReproductionPlan) -> dict[str, list[Config]]:
    """Compose every job once and return their configurations, those equal but for the seed once, by split.

    A ``UserError`` names a wrong override or a missing ``data_dir``: nothing is to begin.
    """
    configs = {split.name: list(map(as_classifier, job_configs(plan.jobs_of(split)))) for split in plan.splits}
    compose_config([f"+experiment={plan.experiments[0]}", *plan.job_words])  # words that are one value for all jobs
    return configs


def preparation_steps(plan: ReproductionPlan) -> list[Step]:
    """Return the commands that bring the weights of all experiments and prepare their images."""
    words = ("scripts/prepare_data.py", *plan.jobs_of(plan.splits[0]))
    return [Step(WEIGHTS, (*words, "--weights")), Step("images", words)]


def training_step(plan: ReproductionPlan, split: Split) -> Step:
    """Return the command that trains all experiments on a split."""
    jobs = (
        f"+experiment={','.join(plan.experiments)}",
        *split.overrides,
        f"seed={','.join(map(str, plan.seeds))}",
        f"split.fold={','.join(map(str, split.folds))}",
    )
    return Step(f"train-{split.name}", ("train.py", "-m", *jobs, *plan.words))


def analysis_steps(plan: ReproductionPlan, split: Split, runs: Runs) -> list[Step]:
    """Return the commands that evaluate the finished runs of a split, each with what it writes."""
    folder = plan.output / split.name
    every = _runs_of(plan.experiments, runs)
    if not every:
        return []
    collect = ("scripts/sweep_status.py", *every)
    steps = [Step.making(f"costs-{split.name}", collect, "--csv", folder / "costs.csv")]
    steps += _ensemble_steps(plan, split, runs)
    steps += _explanation_steps(plan, split, folder, runs)
    if split is plan.splits[0]:
        steps += _shared_steps(plan, folder, runs)
    return steps + _report_steps(plan, split, folder, runs)


def _explanation_steps(plan: ReproductionPlan, split: Split, folder: Path, runs: Runs) -> list[Step]:
    """Return the commands that draw heat maps and layers of the first run of each experiment, or measure layers."""
    steps = []
    for name, explanation in plan.config.explanations.items():
        first = [runs[experiment][0] for experiment in explanation.experiments if runs.get(experiment)]
        if not first:
            continue
        option, suffix = "--out", "png"
        if explanation.draw == "smoothness":
            option, suffix = "--csv", "csv"
        words = ("scripts/explain.py", explanation.draw, *first, *explanation.keys)
        steps.append(Step.making(f"{name}-{split.name}", words, option, folder / f"{name}.{suffix}"))
    return steps


def _runs_of(experiments: Iterable[str], runs: Runs) -> list[str]:
    """Return the runs of some experiments, in their order."""
    return list(chain.from_iterable(runs.get(experiment, ()) for experiment in experiments))


def comparison_step(plan: ReproductionPlan, runs: Mapping[str, Runs], ensembles: Sequence[Path]) -> Step:
    """Return the command that compares the runs of all splits, and ensembles of them, with the paper."""
    compared = chain.from_iterable(_runs_of(plan.experiments, runs[split.name]) for split in plan.splits)
    words = ("scripts/evaluate.py", *compared, *map(str, ensembles), "--paper", plan.paper)
    return Step.making("comparison", words, "--csv", plan.output / COMPARISON)


def _ensemble_steps(plan: ReproductionPlan, split: Split, runs: Runs) -> list[Step]:
    """Return the paper's ensembles and the analysis of the errors of their members, where all members are there."""
    steps: list[Step] = []
    analysed: set[str] = set()
    folder = plan.output / split.name
    first_seed = f"seed={plan.seeds[0]}"  # the paper trains each network once
    for row in plan.ensembles.to_dict("records"):
        members = row["members"].split()
        folders = [run for run in _runs_of(members, runs) if Path(run).name == first_seed]
        if len(folders) < len(members) * len(split.folds):
            continue
        name = f"{row['experiment']}-{split.name}".replace("_", "-")
        combine = ("scripts/ensemble.py", row["method"], *folders, "--common")
        steps.append(Step.making(name, combine, "--output", folder / row["experiment"]))
        if row["members"] not in analysed:
            analysed.add(row["members"])
            analyse = ("scripts/evaluate.py", *folders, "--errors")
            steps.append(Step.making(f"errors-{split.name}", analyse, "--output", folder / "errors"))
    return steps


def _report_steps(plan: ReproductionPlan, split: Split, folder: Path, runs: Runs) -> list[Step]:
    """Return the command of the report, one for each data set of the paper: a report is of one task."""
    by_source: dict[str, list[str]] = {}
    for experiment in plan.experiments:
        source = ""
        if plan.config.folder_per_dataset:
            source = f"-{compose_config([f'+experiment={experiment}', *plan.job_words]).data.source}"
        for run in runs.get(experiment, ()):
            by_source.setdefault(source, []).append(run)
    steps = []
    for source, of_source in by_source.items():
        words = ("scripts/report.py", *of_source)
        steps.append(Step.making(f"report-{split.name}{source}", words, "--output", folder / f"report{source}.html"))
    return steps


def _shared_steps(plan: ReproductionPlan, folder: Path, runs: Runs) -> list[Step]:
    """Return the commands of what all splits share: the layers of the networks, the preparation, the search."""
    networks = [runs[name][0] for name in plan.experiments if runs.get(name)]
    words: tuple[str, ...] = ("scripts/explain.py", "summary", *networks)
    steps = [Step.making("summary", words, "--csv", folder / "layers.csv")]
    as_paper = (*plan.splits[0].overrides, *plan.job_words)
    if plan.config.before_after:
        words = ("scripts/prepare_data.py", f"+experiment={plan.config.before_after}", *as_paper, "--no-images")
        steps.append(Step.making("before-after", words, "--before-after", folder / "before-after"))
    for experiment, keys in plan.config.search.items():
        if experiment in plan.experiments:
            words = ("scripts/tune.py", f"+experiment={experiment}", *as_paper, *keys, f"search.out={folder}/search")
            steps.append(Step("search", words, folder / "search"))
    return steps


def _per_dataset(words: Sequence[str]) -> list[str]:
    """Let ``data_dir``, typed or of the environment, hold a folder for each data set of the paper."""
    folder = os.environ.get(DATA_VARIABLE)
    kept = []
    for word in words:
        if key_of(word) == "data_dir":
            folder = word.partition("=")[2]
        else:
            kept.append(word)
    if folder and "${" not in folder:
        folder = f"{folder.rstrip('/')}/${{data.source}}"
    if folder:
        kept.append(f"data_dir={folder}")
    return kept
