"""Make one run of several: a combination of their predictions of the same images."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN... [KEY=VALUE...]",
        help="Run folders or predictions.parquet of several experiments or seeds, all folds of each; keys of "
        "conf/ensemble.yaml.",
    ),
]
Output = Annotated[Path, typer.Option(help="Folder of the new run; it must not hold anything yet.")]
Nested = Annotated[
    int, typer.Option(min=0, help="Judge what is fitted on validation images held out in so many inner folds, too.")
]
Common = Annotated[
    bool, typer.Option("--common", help="Members with other validation images: keep those that all of them have.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of what is fitted, and of the inner folds.")]
Name = Annotated[
    str | None, typer.Option(help="Name of the ensemble in tables.", show_default="its method and members")
]
Csv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table; the same again is replaced.")]
Label = Annotated[str, typer.Option(help="Name of the rows in the table.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often an interval should hold the truth.")]

# A folder such as seed=0 is a run where it exists, and any path with a slash is one.
OVERRIDE = re.compile(r"[A-Za-z_.]+=[^/]*")
FITTED = "Fitted on the validation images that the members share, judged once on their test images."
METHODS = {
    "average": "The mean of the members' probabilities; nothing is fitted.",
    "best": f"The member with the highest weighted F1 on validation. {FITTED}",
    "genetic": f"Weights by the genetic algorithm of paper 004 (3.4.3.1). {FITTED}",
    "cma": f"Weights by CMA-ES. {FITTED}",
    "differential": f"Weights by differential evolution. {FITTED}",
    "greedy": f"Weights by greedy selection with replacement (Caruana et al., 2004). {FITTED}",
    "stacking": f"Logistic regression on the members' log-odds. {FITTED}",
}
USE = """

Each fold of several experiments has an ensemble of its own, OUTPUT/fold0 and so on, which scripts/evaluate.py pools.
The new run has predictions.parquet, ensemble.json, weights.csv, metrics.json, tables and pictures; overfitting.csv and
overfitting.png show validation and test of members and ensemble. In the votes each member has one.

[bold]python scripts/ensemble.py {method} outputs/A/subject-fold*/seed=* outputs/B/subject-fold*/seed=* --output \
outputs/AB[/bold]
"""
ALL = "Every method on the same members, a folder each, validation and test side by side."

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback()
def ensemble() -> None:
    """Make one run of several."""


def _command(methods: tuple[str, ...]) -> Callable[..., None]:
    @report_user_errors()
    def command(
        words: Words,
        output: Output,
        nested: Nested = 0,
        common: Common = False,
        seed: Seed = 0,
        name: Name = None,
        csv: Csv = None,
        label: Label = "",
        resamples: Resamples = 1000,
        confidence: Confidence = 0.95,
    ) -> None:
        # Imported here so that --help costs nothing.
        from common.config.ensemble import load_ensemble_config
        from common.config.schema import EvaluationConfig
        from common.runs.run import refuse_what_is_there
        from workflows import ensemble as ensembling

        refuse_what_is_there(output)
        runs, overrides = _divided(words)
        config = load_ensemble_config(overrides, methods[0] if len(methods) == 1 else None)
        settings = EvaluationConfig(resamples=resamples, confidence=confidence)
        wish = ensembling.Wish(methods, output, config, settings, seed, nested, common, name)
        ready = ensembling.read_teams(runs, wish)
        made = ensembling.make(ready, wish)
        ensembling.compare_all(ready, made, wish)
        ensembling.close(ready, made, wish, csv, label)

    return command


def _divided(words: list[str]) -> tuple[list[Path], list[str]]:
    """Tell runs from overrides."""
    overrides = [word for word in words if OVERRIDE.fullmatch(word) and not Path(word).exists()]
    return [Path(word) for word in words if word not in overrides], overrides


for _method, _what in METHODS.items():
    app.command(_method, help=_what + USE.format(method=_method))(_command((_method,)))
app.command("all", help=ALL + USE.format(method="all"))(_command(tuple(METHODS)))


if __name__ == "__main__":
    app()
