"""Reproduce a paper: prepare its data, train its experiments, analyse them, and compare its figures with ours."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program

Paper = Annotated[str, Argument(metavar="PAPER", help="001, 002, 003 or 004.")]
Words = Annotated[
    list[str] | None,
    Argument(metavar="[KEY=VALUE]...", help="As train.py takes them: data_dir=..., +cluster=local."),
]
Output = Annotated[Path | None, Option(help="Folder of tables and pictures.", show_default="reproduced/<paper>")]
Seeds = Annotated[str | None, Option(help="Such as 0,1,2; one seed has no grades.", show_default="0")]
Folds = Annotated[str | None, Option(help="Of --honest, such as 0,1,2.", show_default="0")]
Some = Annotated[str, Option(help="Some experiments, with commas between.", show_default="all")]
Honest = Annotated[bool, Option("--honest", help="Train with persons apart, too: all images of a person in one part.")]
DryRun = Annotated[bool, Option("--dry-run", help="Only check all settings, and print what it takes.")]


def reproduce(
    paper: Paper,
    words: Words = None,
    output: Output = None,
    seeds: Seeds = None,
    folds: Folds = None,
    experiments: Some = "",
    honest: Honest = False,
    dry_run: DryRun = False,
) -> None:
    """Reproduce all experiments of a paper and grade its printed figures in reproduction.csv.

    Each command is printed as you could type it yourself; the same line again trains only what is missing.
    """
    from karyocyte.workflows.sweeps.slurm import check_slurm
    from reproduction.plan import check_plan, make_plan, number_list

    some = tuple(filter(None, experiments.split(",")))
    numbers = number_list(seeds, "--seeds"), number_list(folds, "--folds")
    plan = make_plan(paper, words or (), output or Path("reproduced") / paper, some, *numbers, honest)
    if "+cluster=slurm" in plan.words and not dry_run:
        check_slurm()  # before images and weights are prepared
    from reproduction.run import run_plan  # takes seconds: after the checks

    configs = check_plan(plan)
    if dry_run:
        from reproduction.outlook import show_outlook  # with torch

        show_outlook(plan, configs)
    else:
        run_plan(plan)


app = program(
    reproduce,
    "python scripts/reproduce.py 004 data_dir=cnmc --honest --dry-run",
    "python scripts/reproduce.py 004 data_dir=cnmc --seeds 0,1,2 +cluster=slurm",
    "python scripts/reproduce.py 002 data_dir=data +profile=cpu",
)
