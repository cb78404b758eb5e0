"""Reproduce a paper: prepare its data, train its experiments, analyse them, and compare its figures with ours."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.common.cli import heavy_imports

Paper = Annotated[str, Argument(metavar="PAPER", help="001, 002, 003 or 004.")]
Words = Annotated[
    list[str] | None,
    Argument(metavar="[KEY=VALUE]...", help="As train.py takes them: data_dir=..., +cluster=local."),
]
Output = Annotated[Path | None, Option(help="Folder of the page and tables.", show_default="reproduced/<paper>")]
Seeds = Annotated[str | None, Option(help="Such as 0,1,2.", show_default="0")]
Folds = Annotated[str | None, Option(help="Of the honest split, such as 0,1,2.", show_default="0")]
Some = Annotated[str, Option(help="Some experiments, with commas between.", show_default="all")]
Honest = Annotated[bool, Option("--honest", help="Train on a split without leaks, too.")]
DryRun = Annotated[bool, Option("--dry-run", help="Only check settings, images and weights, and list the steps.")]
Commands = Annotated[bool, Option("--commands", help="The same, with each command in full, to be copied.")]


def reproduce(
    paper: Paper,
    words: Words = None,
    output: Output = None,
    seeds: Seeds = None,
    folds: Folds = None,
    experiments: Some = "",
    honest: Honest = False,
    dry_run: DryRun = False,
    commands: Commands = False,
) -> None:
    """Reproduce all experiments of a paper and write reproduction.html and reproduction.csv.

    The commands are those that you could type yourself; the same line again runs only what is missing.
    """
    from karyocyte.runs.arguments import number_list
    from karyocyte.workflows.sweeps.slurm import check_slurm
    from reproduction.papers import read_paper

    read_paper(paper)  # an unknown one is refused before the imports
    from reproduction.plan import Options, check_plan, make_plan

    some = tuple(filter(None, experiments.split(",")))
    options = Options(some, number_list(seeds, "--seeds"), number_list(folds, "--folds"), honest)
    plan = make_plan(paper, words or (), output or Path("reproduced") / paper, options)
    is_shown = dry_run or commands
    if "+cluster=slurm" in plan.words and not is_shown:
        check_slurm()  # before images and weights are prepared
    with heavy_imports():  # takes seconds: after the checks; and the composed jobs are many small objects that stay
        from reproduction.needs import report_needs
        from reproduction.run import run_plan, show_plan

        configs = check_plan(plan)
        report_needs(configs)
    if is_shown:
        show_plan(plan, configs, in_full=commands)
    else:
        run_plan(plan)


app = program(
    reproduce,
    "python scripts/reproduce.py 004 data_dir=cnmc --honest --dry-run",
    "python scripts/reproduce.py 004 data_dir=cnmc --seeds 0,1,2 +cluster=slurm",
    "python scripts/reproduce.py 002 data_dir=data +profile=cpu",
)
