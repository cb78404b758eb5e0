"""Runs that differ in fold and seed alone: what a mean is over."""

from collections.abc import Sequence

from common.errors import UserError
from common.runs.run import Run

SHARED = ("name", "source", "synthetic", "protocol", "config", "folds", "test", "on")


def run_groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Return finished runs of one experiment, protocol, configuration and data set together.

    Raises:
        UserError: Two runs of a group are of the same fold and seed.
    """
    groups: dict[tuple[str, ...], dict[tuple[object, object], Run]] = {}
    for run in runs:
        about = run.predictions.about
        data = (run.identity.get("contents") or {}).get("data")
        group = groups.setdefault((*(str(about.get(fact)) for fact in SHARED), str(data)), {})
        other = group.setdefault((about.get("fold"), about.get("seed")), run)
        if other is not run:
            raise UserError(f"{other.folder} and {run.folder} are of the same fold and seed: name one of them")
    return [list(group.values()) for group in groups.values()]
