"""Make one run of several: a combination of their predictions of the same images."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from scripts.shared._options import Confidence, FitSeed, MembersAndKeys, Resamples, ResultsCsv, RowLabel

FITTED = "Fitted on the validation images that the members share, evaluated once on their test images."
COMMANDS = {
    "average": "The mean of the members' probabilities; nothing is fitted.",
    "best": f"The member with the highest weighted F1 on validation. {FITTED}",
    "genetic": f"Weights by the genetic algorithm of paper 004 (3.4.3.1). {FITTED}",
    "cma": f"Weights by CMA-ES. {FITTED}",
    "differential": f"Weights by differential evolution. {FITTED}",
    "greedy": f"Weights by greedy selection with replacement (Caruana et al., 2004). {FITTED}",
    "stacking": f"Logistic regression on the members' log-odds. {FITTED}",
    "all": "Every method on the same members, a folder each, validation and test side by side.",
}
USAGE = """

Each fold of several experiments has an ensemble of its own, OUTPUT/fold0 and so on, which scripts/evaluate.py pools.
Beside the files of any run it has ensemble.json, weights.csv, and overfitting.csv and .png: validation against test.
"""
EXAMPLE = "python scripts/ensemble.py {} anet_c6_mnist vgg16_mnist --output E"
Output = Annotated[Path, typer.Option(help="Folder of the new run; it must be empty or missing.")]
Nested = Annotated[int, typer.Option(min=0, help="Inner folds of validation for nested cross-validation; 0: none.")]
Common = Annotated[bool, typer.Option("--common", help="Keep only the validation images that all members have.")]
Name = Annotated[str | None, typer.Option(help="Name of the ensemble.", show_default="its method and members")]
app = typer.Typer(**TYPER, help=__doc__, epilog=examples(EXAMPLE.format("all")))


def _command(*methods: str) -> Callable[..., None]:
    @report_user_errors()
    def command(
        words: MembersAndKeys,
        output: Output,
        nested: Nested = 0,
        common: Common = False,
        seed: FitSeed = 0,
        name: Name = None,
        csv: ResultsCsv = None,
        label: RowLabel = "",
        resamples: Resamples = 1000,
        confidence: Confidence = 0.95,
    ) -> None:
        from common.arguments import new_folder
        from common.config.command import split_words
        from common.config.ensemble import load_ensemble_config
        from common.config.schema import EvaluationConfig
        from common.runs.run import open_runs

        new_folder(output)
        paths, overrides = split_words(words)
        config = load_ensemble_config(overrides, methods[0] if len(methods) == 1 else None)
        options = (config, EvaluationConfig(resamples=resamples, confidence=confidence), seed, nested, common, name)
        runs = tuple(open_runs(paths))
        from workflows.ensemble import EnsembleRequest, make_ensembles  # takes seconds: after the checks

        make_ensembles(EnsembleRequest(runs, methods, output, *options, csv, label))

    return command


for _name, _help in COMMANDS.items():
    _methods = [_name] if _name != "all" else [name for name in COMMANDS if name != "all"]
    app.command(_name, help=_help + USAGE, epilog=examples(EXAMPLE.format(_name)))(_command(*_methods))


if __name__ == "__main__":
    app()
