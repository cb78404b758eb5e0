"""Write the generated parts of the documentation, from results/*.csv, conf/ and scripts/: ``python -m docs.tables``."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
import yaml

from common.cli import TYPER, examples, report_user_errors
from common.errors import UserError
from common.files import write_text
from common.paths import ROOT
from docs import handbook, imports
from evaluation.core.formats import interval, markdown
from workflows.papers import terminal
from workflows.papers.audit import audit
from workflows.papers.of_tables import read_measured
from workflows.papers.verdicts import compare_results, to_frame

PAPERS = ("001", "002", "003", "004")
ROLES = {"as_paper": "split as the paper", "honest": "honest split"}  # of the columns of a reproduction
WIDTH = 110  # letters that fit a page in a browser
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)
Check = Annotated[bool, typer.Option(help="Change nothing; fail where a page is out of date.")]
app = typer.Typer(**TYPER)


@app.command(epilog=examples("python -m docs.tables", "python -m docs.tables --check"))
@report_user_errors()
def tables(check: Check = False) -> None:
    """Fill every block between [bold]<!-- table: NAME -->[/bold] and [bold]<!-- /table -->[/bold] of the pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        filled = fill(text, ROOT / "results")
        if check and filled != text:
            raise UserError(f"{page.relative_to(ROOT)} is out of date: run make tables")
        if filled != text:
            write_text(page, filled)


def pages() -> list[Path]:
    """Return the pages of the documentation: README.md and docs/*.md."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def fill(text: str, results: Path) -> str:
    """Return ``text`` with the content of its table blocks made again from ``results``.

    Raises:
        UserError: A block names an unknown table.
    """
    for _, name, _ in BLOCK.findall(text):
        if name not in TABLES:
            raise UserError(f"unknown table {name}: there are {', '.join(TABLES)}")
    return BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]](results)}\n{block[3]}", text)


def split(table: pd.DataFrame, keys: int = 1) -> str:
    """Return a table as Markdown; one that is too wide as several, each with the first ``keys`` columns."""
    widths = {head: max(len(head) + 2, table[head].str.len().max()) + 3 for head in table.columns}
    first = list(table.columns[:keys])
    parts = [[*first]]
    for head in table.columns[keys:]:
        if len(parts[-1]) > keys and sum(widths[name] for name in [*parts[-1], head]) + 1 > WIDTH:
            parts.append([*first])
        parts[-1].append(head)
    return "\n\n".join(markdown(table[part]) for part in parts)


class _Missing:
    """Stands for a missing value: a dash in every format."""

    def __format__(self, spec: str) -> str:
        return "-"


@dataclass(frozen=True)
class Table:
    """A table of docs/tables.yaml, which says what the fields mean."""

    csv: str
    columns: dict[str, str]
    pivot: dict[str, str] = field(default_factory=dict)
    read: str = "read_tables"
    derive: str = ""
    where: str = ""
    words: dict[Any, str] = field(default_factory=dict)
    keys: int = 1

    def __call__(self, results: Path) -> str:
        """Return the table as Markdown.

        Raises:
            UserError: Two rows belong into the same cell.
        """
        rows = READERS[self.read](results, self.csv)
        if self.derive:
            rows = rows.eval(self.derive)
        if self.where:
            rows = rows.query(self.where)
        rows = with_intervals(rows).astype(object).replace(self.words)
        records = rows.where(rows.notna(), _Missing()).to_dict("records")

        def cells(columns: dict[str, str]) -> pd.DataFrame:
            return pd.DataFrame([{head: cell.format_map(row) for head, cell in columns.items()} for row in records])

        table = cells(self.columns)
        for head, value in self.pivot.items():
            long = pd.concat([table, cells({"head": head, "value": value})], axis="columns")
            keys = [*self.columns, "head"]
            for _, line in long[long.duplicated(keys)].iterrows():
                raise UserError(
                    f"{self.csv}: {line['head']!r} of {list(line[:-2])} is measured twice: remove the older"
                )
            table = long.set_index(keys)["value"].unstack(sort=False, fill_value="-").reset_index()
        return split(table, self.keys)


def with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns NAME_ci and NAME_gap of the numbers that have an interval, see docs/tables.yaml."""
    rows = rows.copy()
    for low in [name for name in rows.columns if name == "low" or name.endswith("_low")]:
        prefix = low.removesuffix("low")
        name = prefix.removesuffix("_") or "value"
        if name in rows:
            cells = []
            for value, start, end in zip(rows[name], rows[low], rows[f"{prefix}high"], strict=True):
                signs = ("", "+")
                cells.append(["-" if pd.isna(value) else interval(value, start, end, sign) for sign in signs])
            rows[[f"{name}_ci", f"{name}_gap"]] = cells
    return rows


def read_tables(results: Path, csv: str) -> pd.DataFrame:
    """Read one CSV table, or those of a pattern, with their names in the column ``file``."""
    texts = dict.fromkeys(("paper", "printed", "reason", "deviation"), str)  # 004, 0.910; the others may be empty
    files = [pd.read_csv(path, dtype=texts).assign(file=path.stem) for path in sorted(results.glob(csv))]
    return pd.concat(files, ignore_index=True)


def measurements(results: Path, csv: str) -> pd.DataFrame:
    """Read measurements that are no comparisons."""
    return read_measured(results / csv).query("~compared")


def with_means(results: Path, csv: str) -> pd.DataFrame:
    """Read measurements, the pooled ones and then those that are means over several folds."""
    pooled = measurements(results, csv)
    if pooled["mean_over_folds"].isna().all():
        return pooled.assign(kind="")
    means = pooled.assign(value=pooled["mean_over_folds"], low=pooled["mean_low"], high=pooled["mean_high"])
    return pd.concat([pooled.assign(kind=", pooled"), means[means["runs"] > 1].assign(kind=", mean over folds")])


def comparisons(results: Path, csv: str) -> pd.DataFrame:
    """Read the paired differences of weighted F1 and AUC, and McNemar's p as text."""
    rows = read_measured(results / csv)
    p_values = rows[rows["metric"] == "mcnemar_p"].set_index("label")["value"]
    text = p_values.map(lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}")
    rows = rows[rows["metric"].isin(["difference/f1_weighted", "difference/auc"])]
    return rows.assign(metric=rows["metric"].str.removeprefix("difference/"), p=rows["label"].map(text))


def recalls(results: Path, csv: str) -> pd.DataFrame:
    """Read the recall of each class of pooled folds, as predicted and after joint assignment."""
    rows = measurements(results, csv).query("metric.str.startswith('recall/') and runs > 1")
    name = rows["metric"].str.removeprefix("recall/")
    suffix = name.str.endswith("_assigned").map({True: ", jointly", False: ""})
    return rows.assign(name=name.str.removesuffix("_assigned"), run=rows["label"] + suffix)


def inside_and_outside(results: Path, csv: str) -> pd.DataFrame:
    """Read the means over the runs of a label, on their own data set and on another one."""
    rows = pd.read_csv(results / csv).query("metric in ['f1_weighted', 'auc', 'accuracy']")
    place = rows["tested_on"].isna().map({True: "inside", False: "outside"})
    grouped = rows.assign(place=place).groupby(["label", "metric", "place"], sort=False)["value"]
    return grouped.agg(["size", "mean"]).reset_index()


def largest(results: Path, csv: str) -> pd.DataFrame:
    """Read the largest size at which the time of each part was measured, beside the smallest (column ``smallest``)."""
    parts = pd.read_csv(results / csv).groupby("part", sort=False)
    return parts.tail(1).assign(smallest=parts["size"].first().to_numpy())


def verdict_counts(results: Path, csv: str) -> pd.DataFrame:
    """Read how often made-up predictions of the main figures got each verdict."""
    rows = pd.read_csv(results / csv).query("headline").melt(value_vars=["same", "better", "worse"], var_name="made_up")
    return rows.groupby(["made_up", "value"], sort=False).size().reset_index(name="figures")


READERS: dict[str, Callable[[Path, str], pd.DataFrame]] = {
    reader.__name__: reader
    for reader in (
        read_tables,
        measurements,
        with_means,
        comparisons,
        recalls,
        inside_and_outside,
        largest,
        verdict_counts,
    )
}


def protocol_gaps(results: Path) -> str:
    """Return the AUC of each network by protocol, and by how much the paper's protocol raises the honest one."""
    rows = measurements(results, "karyograms.csv").query("metric == 'auc'")
    auc = rows.set_index(["label", "protocol"])["value"].unstack(sort=False).dropna(subset=["subject", "paper"])
    table = auc[["subject", "image", "paper"]].map("{:.3f}".format).replace("nan", "-")
    table["paper - subject"] = (auc["paper"] - auc["subject"]).map("{:+.3f}".format)
    return split(table.rename_axis("AUC").reset_index())


def structure(results: Path) -> str:
    """Return the measurements of the code base, before its restructuring and now."""
    return markdown(pd.read_csv(results / "structure.csv", dtype=str))


def headline(results: Path) -> str:
    """Return the main results beside the best published figures, which published.csv names."""
    lines = []
    for row in pd.read_csv(results / "published.csv", dtype=str, keep_default_na=False).to_dict("records"):
        measured = read_measured(results / f"{row['file']}.csv")
        match = measured[(measured["label"] == row["label"]) & (measured["metric"] == row["metric"])]
        if len(match) != 1:
            raise UserError(f"{row['file']}.csv has {len(match)} rows {row['label']!r}, {row['metric']}: one is needed")
        line = {"task": row["task"], "data": row["data"], "metric": row["shown"]}
        line["ours"] = interval(*match.iloc[0][["value", "low", "high"]])
        line["published"] = f"{row['published']} ({row['source']})" if row["published"] else "-"
        lines.append(line)
    return split(pd.DataFrame(lines))


def printed_figures(paper: str, results: Path) -> str:
    """Return each figure that a paper prints beside ours, a table per experiment and verdict."""
    rows = with_intervals(read_tables(results, f"reproduction/{paper}.csv")).fillna({"reason": "", "deviation": ""})
    reasons = [reason.split("; ") for reason in rows.loc[rows["measured_on"].notna(), "reason"]]
    shared = [reason for reason in reasons[0] if reason and all(reason in others for others in reasons)]
    blocks = [_summary(rows, shared)]
    for (experiment, verdict, reason), figures in rows.groupby(["experiment", "verdict", "reason"], sort=False):
        own = [each for each in reason.split("; ") if each and each not in shared]
        words = "; ".join([f"**`{experiment}`** ({figures['section'].iloc[0]}): {verdict}", *own])
        blocks += [" ".join([f"{words}.", *_notes(figures.iloc[0])]), _figures(figures)]
    return "\n\n".join(blocks)


def _summary(rows: pd.DataFrame, shared: list[str]) -> str:
    """Return the number of verdicts, the minutes of all runs, and the reasons that all figures share."""
    words = [f"{terminal.counts_text(rows['verdict'], 'printed figures')}."]
    for role, name in ROLES.items():
        minutes = rows.loc[rows["headline"], f"{role}_minutes"].sum()
        words += [f"{name.capitalize()}: {minutes:.1f} minutes of training."] if minutes else []
    if shared:
        words.append(f"Common to all figures measured here: {'; '.join(shared)}.")
    return " ".join(words)


def _notes(row: pd.Series) -> list[str]:
    """Return a known deviation of an experiment, and the images and minutes of its runs."""
    notes = [f"Known deviation: {row['deviation']}."] if row["deviation"] else []
    for role, name in ROLES.items():
        if pd.notna(row[f"{role}_minutes"]):
            images = f"{row[f'{role}_images']:,.0f} {row['part']} images"
            notes.append(f"{name.capitalize()}: {images}, {row[f'{role}_minutes']:.1f} minutes.")
    return notes


def _figures(rows: pd.DataFrame) -> str:
    """Return printed figures beside ours, without columns of what was not measured."""
    names = []
    for part, metric, section in zip(rows["part"], rows["metric"], rows["section"], strict=True):
        words = f"{part} {terminal.METRIC_WORDS.get(metric, metric.replace('/', ' '))}"
        names.append(words if section == rows["section"].iloc[0] else f"{words}, {section}")
    table = pd.DataFrame({"figure": names, "printed": rows["printed"].fillna("-").to_numpy()})
    for role, name in ROLES.items():
        if rows[role].notna().any():
            table[name] = rows[f"{role}_ci"].to_numpy()
    return split(table)


def other_runs(paper: str, results: Path) -> str:
    """Return the main figures of other runs of a paper's experiments, and why they are not comparable."""
    compared = [each for each in compare_results(results, (paper,)) if each.figure.headline]
    compared = [each for each in compared if each.ours or each.ours_honest]
    rows = with_intervals(to_frame(compared))
    table = rows[["experiment", "printed"]].replace("", "-")
    for role, name in ROLES.items():
        table[name] = rows[f"{role}_ci"]
    lines = []
    for each in compared:
        costs = [terminal.facts(runs) for runs in (each.runs.as_paper, each.runs.honest) if runs]
        verdict = "; ".join([each.verdict, *each.reasons])
        lines.append(f"- `{each.claim.experiment}`: {verdict}. Runs: {'; '.join(costs)}")
    return "\n\n".join([split(table), "\n".join(lines)])


def audit_of(paper: str, results: Path) -> str:
    """Return how many figures of a paper follow from others that it prints, and a list of those that do not."""
    found = audit(results, (paper,))
    table = found.groupby("kind", sort=False)["follows"].agg(["size", "sum"]).reset_index()
    table = table.assign(sum=table["size"] - table["sum"]).astype(str)
    lines = [""]
    for row in found.query("~follows").to_dict("records"):
        recomputed = f"recomputed {row['recomputed']}" if row["recomputed"] else ""
        parts = [f"printed {row['printed']}", recomputed, terminal.failure(row["kind"]), row["remark"]]
        lines.append(f"- {row['section']}, {row['what']}: {'; '.join(filter(None, parts))}")
    return split(table.set_axis(["check", "figures", "failed"], axis="columns")) + "\n".join(["", *lines])


_SPECIFICATION = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
TABLES: dict[str, Callable[[Path], str]] = {
    "headline": headline,
    "structure": structure,
    "protocol_gap": protocol_gaps,
    **handbook.BLOCKS,
    **imports.BLOCKS,
    **{f"paper_{paper}_figures": partial(printed_figures, paper) for paper in PAPERS},
    **{f"paper_{paper}_runs": partial(other_runs, paper) for paper in PAPERS[1:]},
    **{f"paper_{paper}_audit": partial(audit_of, paper) for paper in PAPERS},
    **{name: Table(**table) for name, table in _SPECIFICATION.items()},
}

if __name__ == "__main__":
    app()
