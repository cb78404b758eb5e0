"""The tables of README.md on ensembles, errors, external sets, explanations and intervals."""

from pathlib import Path

import pandas as pd

from evaluation.core.markdown import interval, markdown

EXTERNAL = {"accuracy": "accuracy", "f1_weighted": "weighted F1", "auc": "AUC"}
COVERED = ("f1_weighted", "auc", "sensitivity", "specificity")


def ensembles(results: Path) -> str:
    """Every method on every set: weighted F1 where it was fitted, held out within that, and on test."""
    lines = []
    for file in sorted((results / "ensembles").glob("*.csv")):
        rows = pd.read_csv(file).query("kind != 'member' and metric == 'f1_weighted' and fold == 'all'")
        for row in rows.itertuples():
            figures = [f"{one:.3f}" if pd.notna(one) else "-" for one in (row.validation, row.nested)]
            test = interval(row.test, row.test_low, row.test_high)
            gained = interval(row.difference, row.difference_low, row.difference_high, "+")
            if row.model == "average":
                against = "-"
            else:
                against = gained
            lines.append([file.stem, row.model, f"{row.parameters:,}", *figures, test, against])
    heads = ["set", "model", "fitted numbers", "validation", "held out of it", "test", "test, less the average"]
    return markdown(pd.DataFrame(lines, columns=heads))


def missed(results: Path) -> str:
    """How many test images exactly k of n models miss, and how many were to be expected of independent errors."""
    columns = {}
    for file in sorted((results / "missed").glob("*.csv")):
        rows = pd.read_csv(file)
        rows = rows[rows["true_class"] == rows["true_class"].iloc[0]]  # every class; then come those apart
        shown = [f"{row.images} ({row.independent:.0f})" for row in rows.itertuples()]
        columns[file.stem] = pd.Series(shown, rows["k"])
    return markdown(pd.DataFrame(columns).fillna("-").rename_axis("missed by").reset_index().astype(str))


def external(results: Path) -> str:
    """Runs on the set that they come from and on another one, as means over the runs."""
    rows = pd.read_csv(results / "external.csv", dtype={"folds": str, "on": str})
    lines = []
    for label, group in rows.groupby("label", sort=False):
        outside = group["source"].str.contains(" on ")
        cells = []
        for metric in EXTERNAL:
            of_metric = group["metric"] == metric
            means = [group.loc[of_metric & place, "value"].mean() for place in (~outside, outside)]
            cells += [f"{mean:.3f}" for mean in means]
        lines.append([label, str((outside & (group["metric"] == "auc")).sum()), *cells])
    heads = [f"{name}, {place}" for name in EXTERNAL.values() for place in ("inside", "outside")]
    return markdown(pd.DataFrame(lines, columns=["network", "runs", *heads]))


def coverage(results: Path) -> str:
    """How often 95 % intervals hold the truth in simulated studies, by method and number of subjects."""
    rows = pd.read_csv(results / "coverage.csv")
    rows = rows[rows["metric"].isin(COVERED)]
    rows["shown"] = rows["share"].map(lambda share: "-" if pd.isna(share) else f"{100 * share:.1f}")
    keys = ["world", "subjects", "metric"]
    wide = rows.pivot(index=keys, columns="method", values="shown")[list(rows["method"].unique())]
    return markdown(wide.loc[rows[keys].drop_duplicates().itertuples(index=False, name=None)].reset_index().astype(str))


def ensemble_speed(results: Path) -> str:
    """How long the genetic algorithm takes here, and the same one written with DEAP."""
    rows = pd.read_csv(results / "ensemble_benchmark.csv").query("measured == 'time'")
    lines = []
    for case, group in rows.groupby("case", sort=False):
        found = group.set_index("way")
        ours = found.loc["ours"]
        rivals = [way for way in found.index if way != "ours"]
        ratios = {way: f"{found.loc[way, 'cpu_ratio']:,.0f}" for way in rivals}
        lines.append({"case": case, "ours, CPU s": f"{ours['cpu_seconds']:.3f}", **ratios})
    return markdown(
        pd.DataFrame(lines).fillna("-").rename(columns=lambda name: name.replace("DEAP", "faster than DEAP"))
    )


def ensemble_search(results: Path) -> str:
    """How near to the best weights that any search found each came, after equally many evaluations."""
    rows = pd.read_csv(results / "ensemble_benchmark.csv").query("measured == 'fitness'")
    rows = rows[rows["evaluations"] == rows["evaluations"].max()]
    rows["shown"] = rows["gap"].map("{:.4f}".format)
    wide = rows.pivot(index="case", columns="way", values="shown")
    return markdown(wide.loc[rows["case"].unique(), rows["way"].unique()].reset_index())


def localisation(results: Path) -> str:
    """How often the hottest point of a heat map lies in the place that was changed, beside chance."""
    rows = pd.read_csv(results / "localisation.csv").query("group == 'all'")
    lines = []
    for row in rows.itertuples():
        hit = interval(row.pointing, row.pointing_low, row.pointing_high)
        near = interval(row.pointing_near, row.pointing_near_low, row.pointing_near_high)
        energy = interval(row.energy, row.energy_low, row.energy_high)
        chance = [f"{one:.4f}" for one in (row.area, row.area_near, row.area_of_chromosomes)]
        lines.append([row.experiment, row.method, row.layer, str(row.images), hit, chance[0], near, chance[1], energy])
    heads = ["experiment", "method", "layer", "images", "hits", "by chance", "near", "near by chance", "heat within"]
    return markdown(pd.DataFrame(lines, columns=heads))
