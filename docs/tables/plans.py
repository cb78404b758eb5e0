"""The tables of README.md on how long a sweep takes, and how long a job's start."""

from pathlib import Path

import pandas as pd

from evaluation.core.markdown import markdown


def plan_grid(results: Path) -> str:
    """What one job of each experiment asks for, and its minutes."""
    rows = pd.read_csv(results / "plan_cnmc_grid.csv")
    each = rows[rows["experiment"] != "all"]
    lines = [
        [
            row.experiment,
            f"{row.gflops_training:.1f}",
            f"{row.images_most:,.0f}",
            row.bound_by,
            _span(60 * row.hours_least, 60 * row.hours_most, 1),
        ]
        for row in each.itertuples()
    ]
    heads = ["experiment", "GFLOP per training image", "training images, at most", "bound by", "minutes of a job"]
    return markdown(pd.DataFrame(lines, columns=heads))


def plan_totals(results: Path) -> str:
    """Hours until the last job ends, as assumed, at half the speed and at twice."""
    rows = pd.read_csv(results / "plan_cnmc_grid.csv").query("experiment == 'all'")
    lines = [
        [
            f"{gpus:.0f}",
            *(_span(*of.loc[speed, ["hours_least", "hours_most"]], 1 + (gpus > 1)) for speed in (1.0, 0.5, 2.0)),
        ]
        for gpus, of in rows.set_index("speed").groupby("gpus")
    ]
    heads = ["GPUs", "hours, as assumed", "half as fast", "twice as fast"]
    return markdown(pd.DataFrame(lines, columns=heads))


def startup(results: Path) -> str:
    """Seconds from the start of a process to its first batch, by phase."""
    rows = pd.read_csv(results / "startup.csv")
    names = rows["case"] + rows["bytecode"].map({True: "", False: ", no bytecode"})
    wide = rows.assign(name=names, shown=[f"{wall:.2f}" for wall in rows["wall_s"]])
    wide = wide.pivot(index="phase", columns="name", values="shown")
    wide = wide.reindex([*(phase for phase in rows["phase"].unique() if phase != "total"), "total"])
    return markdown(wide[list(dict.fromkeys(names))].fillna("-").reset_index())


def _span(least: float, most: float, digits: int) -> str:
    return f"{least:.{digits}f} to {most:.{digits}f}"
