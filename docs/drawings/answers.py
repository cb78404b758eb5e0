"""Five answers, each a figure of points with intervals that is titled by what its numbers say."""

import numpy as np
import pandas as pd

from docs.drawings.same_cells import runs_apart
from karyocyte.common.paths import ROOT
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.plots.plots import COLOURS, canvas

RESULTS = ROOT / "results"
COLUMNS = ["row", "kind", "value", "low", "high", "other"]
MARKS = (("o", COLOURS[0], COLOURS[0]), ("D", COLOURS[1], "white"), ("s", "black", "black"))  # differ in grey, too
NETWORKS = {"mobilenetv2": "MobileNetV2", "lite0": "EfficientNet-Lite0", "lite2": "EfficientNet-Lite2"}
NETWORKS |= {"resnet18_cut": "ResNet-18 cut", "resnet50_cut": "ResNet-50 cut"}
ARMS = {"apart": "other persons", "shared": "other cells of the tested persons", "copies": "the tested cells"}
WAYS = {"accuracy": "alone", "accuracy_assigned": "jointly"}
PLACES = {"sets": "laboratory in training", "left_out": "laboratory not in training"}
LOOKED_AT = {"none looked at": 0.0, "25% looked at": 0.25, "50% looked at": 0.5, "75% looked at": 0.75}
RECIPES = {"ours": "default", "head": "head alone", "fastai": "fastai's recipe"}
SETS = {"pbc": ("blood cells", 1 / 8), "chromosomes": ("chromosomes", 1 / 24), "cnmc": ("C-NMC", 1 / 2)}


def draw(name: str, title: str, table: pd.DataFrame, value: str, other: str = "") -> None:
    """Draw a table of ``COLUMNS``, whose value and alternative (a dashed line) have names."""
    places, kinds = table.groupby("row", sort=False).ngroup(), table["kind"].unique()
    size = (5.6, 2.4 + 0.18 * len(kinds) + (0.2 + 0.16 * len(kinds)) * table["row"].nunique())
    with canvas(RESULTS / "recomputed" / f"{name}.png", size, title) as figure:
        axis = figure.subplots()
        axis.vlines(table["other"], places - 0.45, places + 0.45, color="black", linestyle="--", label=other)
        for number, (kind, (marker, colour, face)) in enumerate(zip(kinds, MARKS, strict=False)):
            rows = table[table["kind"] == kind]
            moved = places[rows.index] + 0.24 * (number - (len(kinds) - 1) / 2)
            error = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
            style = {"color": colour, "markerfacecolor": face, "capsize": 2, "label": kind}
            axis.errorbar(rows["value"], moved, xerr=error, fmt=marker, **style)
        axis.set_yticks(places.unique(), table["row"].unique())
        axis.invert_yaxis()
        axis.set_xlabel(value)
        figure.legend(loc="outside lower center")


def draw_leak() -> None:
    """Draw the AUC of frozen networks by what a third of the training persons are."""
    leak = pd.read_csv(RESULTS / "recomputed" / "persons_leak.csv").set_index("model")
    rows = []
    for model, name in NETWORKS.items():
        for arm, kind in ARMS.items():
            ends = leak.loc[model, [arm, f"{arm}_low", f"{arm}_high"]]
            rows.append((name, f"trained on {kind}", *ends, leak.loc["area", "apart"]))
    added, shown = leak.loc[[*NETWORKS], "persons_add"], leak.loc[[*NETWORKS], "persons_add_low"] > 0
    said = f"Other cells of the tested persons add {added.min():.2f} to {added.max():.2f} to the AUC"
    title = f"{said}: shown for {shown.sum()} of {len(shown)} frozen networks"
    draw("leak", title, pd.DataFrame(rows, columns=COLUMNS), "AUC of cells", "area of the cell")


def draw_chromosomes() -> None:
    """Draw how many chromosomes are right alone and jointly, of laboratories that trained and of others."""
    rows = []
    for file, kind in PLACES.items():
        found = pd.read_csv(RESULTS / "chromosomes" / f"{file}.csv").dropna(subset="value")
        found = found[found["label"].str.fullmatch("(612 cells|119 cells|metaphases)(, of four sets)?")]
        for row in found[found["metric"].isin(WAYS)].drop_duplicates(["label", "metric"]).itertuples():
            label = f"{row.label.partition(',')[0]}, {WAYS[row.metric]}"
            rows.append((label, kind, row.value, row.low, row.high, None))
    table = pd.DataFrame(rows, columns=COLUMNS)
    own, others = (table[table["kind"] == kind].set_index("row")["value"] for kind in PLACES.values())
    lost = 100 * (own - others)
    said = [lost[lost.index.str.endswith(way)].agg(["min", "max"]) for way in WAYS.values()]
    title = "In another laboratory {:.0f} to {:.0f} more of 100 chromosomes are wrong alone, {:.0f} to {:.0f} jointly"
    draw("chromosomes", title.format(*said[0], *said[1]), table, "share of chromosomes named rightly")


def draw_referral() -> None:
    """Draw how many of the cells that nobody looks at are wrong, where the least sure ones are looked at."""
    found = []
    for number, run in enumerate(runs_apart()):
        frame = run.predictions.part("test").frame.rename(columns={"subject": "case"})
        wrong = (frame["prob_all"] > 0.5) != (frame["label"] == "all")
        found.append(frame.assign(wrong=wrong, sure=(frame["prob_all"] - 0.5).abs(), run=number))
    cells = pd.read_parquet(RESULTS / "evidence" / "karyotypes" / "metaphases.parquet").query("part == 'second test'")
    cells = cells.assign(wrong=~cells["wholly_right"], sure=cells["probability"], run=0)
    parts = {"blood cells, persons apart": pd.concat(found), "metaphases": cells}
    table = pd.concat([_missed(kind, part) for kind, part in parts.items()], ignore_index=True)
    blood, metaphases = table[table["row"] == "50% looked at"].itertuples()
    said = [f"{part.value:.0%} instead of {part.other:.0%}" for part in (blood, metaphases)]
    title = f"With the less sure half looked at, {said[0]} of the other blood cells are wrong, {said[1]} of metaphases"
    draw("referral", title, table, "share wrong of the cells not looked at", "the same, drawn at random")


def _missed(kind: str, cells: pd.DataFrame) -> pd.DataFrame:
    place = cells.groupby("run")["sure"].rank(pct=True, method="first", na_option="top").to_numpy()

    def missed(kept: np.ndarray) -> dict[str, float]:
        """Return the share that is wrong of the kept rows that nobody looks at, by how many are looked at."""
        return {row: cells["wrong"][kept & (place > share)].mean() for row, share in LOOKED_AT.items()}

    table = by_case(missed, cells["case"], 0.95).rename(columns={"metric": "row"})
    return table.assign(kind=kind, other=cells["wrong"].mean())


def draw_own_images() -> None:
    """Draw how many test images are named rightly after three ways to train on 240 images."""
    right = pd.read_csv(RESULTS / "defaults.csv").groupby(["data", "recipe"])
    rows = []
    for data, (name, guessed) in SETS.items():
        for recipe, kind in RECIPES.items():
            folds = right.get_group((data, recipe))
            one = share(folds["test"].sum(), folds["test_images"].sum(), 0.95)
            rows.append((name, kind, one.value, one.low, one.high, guessed))
    table = pd.DataFrame(rows, columns=COLUMNS)
    ends = table.pivot(index="row", columns="kind")
    ahead = ends["low"]["default"] > ends["high"].drop(columns="default").max(axis="columns")
    best, others = (" and ".join(ahead.index[is_so]) or "no images" for is_so in (ahead, ~ahead))
    title = f"The default is shown to be best on {best}, but not on {others}"
    draw("own_images", title, table, "share of test images named rightly", "guessing among 8, 24 and 2 classes")


def draw_speed() -> None:
    """Draw how long an epoch, a first run and a prediction take beside what a user would take instead."""
    bench = pd.read_csv(RESULTS / "bench.csv")
    bench = bench[bench["topic"].isin(("training", "first_run", "prediction"))]
    rows = []
    for row in bench.itertuples():
        longer = [1 / ratio for ratio in (row.ratio, row.highest, row.lowest)]
        rows.append((f"{row.case}\nbeside {row.peer}", "median and range of the rounds", *longer, 1.0))
    table = pd.DataFrame(rows, columns=COLUMNS)
    ends = table.groupby(bench["topic"].to_numpy())["value"].agg(["min", "max"])
    said = ["{:.2f} to {:.2f}".format(*ends.loc[topic]) for topic in ("training", "first_run")]
    title = "An epoch takes {} times as long as in a loop by hand, and a first run {} times".format(*said)
    draw("speed", title, table, "times as long, in CPU seconds on one thread", "the alternative")
