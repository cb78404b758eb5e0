"""Make one run of several: a combination of their predictions of the same images."""

from pathlib import Path
from typing import Annotated, Literal

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_word

Words = Annotated[
    list[str],
    Argument(
        parser=run_word, metavar="RUN... [KEY=VALUE...]", help="Runs; keys of conf/ensemble.yaml and evaluation.<key>."
    ),
]
Output = Annotated[Path, Option(help="Folder of the new run; it must be empty or missing.")]
Common = Annotated[bool, Option("--common", help="Keep only the validation images that all members have.")]
Seed = Annotated[int, Option(min=0, help="Seed of the fit.")]
Name = Annotated[str | None, Option(help="Name of the ensemble.", show_default="its method and members")]


def ensemble(
    method: Literal["average", "genetic"],
    words: Words,
    output: Output,
    common: Common = False,
    seed: Seed = 0,
    name: Name = None,
) -> None:
    """Combine the predictions of several runs of the same images.

    [bold]average[/bold] is the mean of the members' probabilities; nothing is fitted. [bold]genetic[/bold] has weights
    by the genetic algorithm of paper 004 (3.4.3.1), the keys of conf/ensemble.yaml: they are fitted on the validation
    images that the members share, and evaluated once on their test images.

    Each fold of several experiments has an ensemble of its own, OUTPUT/fold0 and so on, which scripts/evaluate.py
    pools. Beside the files of any run it has ensemble.json and weights.csv.
    """
    options = locals()
    from karyocyte.workflows.ensembles.ensemble_request import EnsembleRequest

    request = EnsembleRequest.read(**options)
    from karyocyte.workflows.ensembles.make import make_ensembles  # takes seconds: after the checks

    make_ensembles(request)


app = program(
    ensemble,
    "python scripts/ensemble.py average anet_c6_mnist vgg16_mnist --output E",
    "python scripts/ensemble.py genetic anet_c6_mnist vgg16_mnist --output E",
)
