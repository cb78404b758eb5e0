"""Write the generated parts of the documentation, from results/*.csv, conf/ and scripts/: ``python -m docs.tables``."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
import yaml

from docs import handbook
from docs.sentences import fill_sentences, read_tables
from karyocyte.commands.shared.program import program
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.common.paths import ROOT
from karyocyte.evaluation.types.formats import interval
from reproduction.grades import grade_summary, sign_tests

SOURCES = ROOT / "results" / "README.md"
PAPERS = ("001", "002", "003", "004")
# Columns of results/grades.csv.
TEXT = (
    *("paper", "section", "experiment", "printed", "note"),
    *("data", "grade", "rivals", "reading", "one_class", "deviations"),
)
WIDTH = 110  # letters that fit a page in a browser
COUNTS = ("cases with a cell", "corrections of a picture")  # metrics that are numbers of cases or of corrections
# What a line below a block says of its files, by their kind in results/sources.csv; the other kinds need no line.
MARKS = {
    "evidence": "recomputed from `results/evidence` by `make results`.",
    "no predictions kept": "no predictions kept (revision {revisions}).",
}
# The programs, experiments and sweeps that a command names.
PROGRAM = re.compile(
    r"(?P<module>\b(?:benchmarks|cytogenetics|reproduction)(?:\.\w+)*)|(?P<script>scripts/\w+\.py)|\+(?P<option>(?:experiment|sweep)=\w+)"
)
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)
Check = Annotated[bool, typer.Option(help="Change nothing; fail where a page is out of date.")]


def tables(check: Check = False) -> None:
    """Fill every block between [bold]<!-- table: NAME -->[/bold] and [bold]<!-- /table -->[/bold] of the pages.

    Figures in the sentences of docs/sentences.yaml are filled in, too.
    """
    for page in [*pages(), SOURCES]:
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(ROOT).as_posix()
        filled = fill_sentences(name, fill(text, ROOT / "results"), ROOT / "results")
        if check and filled != text:
            raise UserError(f"{name} is out of date: run make tables")
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
    return BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]](results)}\n{mark(block[2], results)}{block[3]}", text)


def read_sources(results: Path) -> pd.DataFrame:
    """Read the list of the files of results/: what they are, of which revision, and by which command."""
    return pd.read_csv(results / "sources.csv", dtype=str, keep_default_na=False)


def mark(name: str, results: Path) -> str:
    """Return the line below a block that says whether its figures can be recomputed; empty for other figures."""
    table = TABLES[name]
    patterns = [table.csv] if isinstance(table, Table) else READ.get(name, [])
    listed = read_sources(results)
    read = [file for file in listed["file"] if any(fnmatch(file, pattern) for pattern in patterns)]
    used = listed[listed["file"].isin(read) & listed["kind"].isin(MARKS)]
    sentences = []
    for kind, rows in used.groupby("kind"):
        text = MARKS[str(kind)].format(revisions=", ".join(rows["revision"].unique()))
        files = ", ".join(f"`{file}`" for file in rows["file"])
        sentences.append(f"{files}: {text}" if used["kind"].nunique() > 1 else text[0].upper() + text[1:])
    return f"\n*{' '.join(sentences)}*\n" if sentences else ""


def sources(results: Path) -> str:
    """Return the files of results/sources.csv that this revision makes, a line for those of one command.

    The others are counted: their networks would have to be trained again, or their programs are in earlier revisions.
    """
    listed = read_sources(results)
    kept = listed["kind"] == "evidence"
    made = listed["command"].map(lambda command: all(map(_is_here, PROGRAM.finditer(command))))
    made &= ~listed["command"].str.contains("revision") & (listed["kind"] != "no predictions kept")
    shown = kept | made
    listed.loc[kept, "command"] = "`make results`"
    lines = ["| file | what | made by |", "|---|---|---|"]
    for (what, command), rows in listed[shown].groupby(["what", "command"], sort=False):
        files = ", ".join(f"`{file}`" for file in rows["file"])
        lines.append(f"| {files} | {what} | {command} |")
    earlier = f"{(~shown).sum()} further files are of earlier revisions"
    return "\n".join([*lines, "", f"{earlier}, which `sources.csv` names."])


def _is_here(named: re.Match[str]) -> bool:
    """Return whether this revision has a program, experiment or sweep that a command names."""
    module = (named["module"] or "").replace(".", "/")
    files = [f"{module}.py", f"{module}/__main__.py"] if module else [named["script"]]
    if named["option"]:
        files = [f"conf/{named['option'].replace('=', '/')}.yaml"]
    return any((folder / file).exists() for folder in (ROOT, *ROOT.glob("packages/*")) for file in files)


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, its numbers as they are."""
    return str(table.to_markdown(index=False, disable_numparse=True))


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
            """Return a column for each head, filled in from the rows."""
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
    if "metric" in rows and "value_ci" in rows:
        counts = rows["metric"].str.startswith(COUNTS)
        rows.loc[counts, "value_ci"] = rows.loc[counts, "value"].map("{:g}".format)
    return rows


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table with a row per metric of a label, without single folds of which a label also has a pooled row.

    The new column ``compared`` tells whether the label names a comparison of two groups.
    """
    texts = ("label", "experiment", "source", "tested_on", "synthetic", "folds", "seeds", "departures", "revision")
    rows = pd.read_csv(path, dtype=dict.fromkeys(texts, str))
    rows = rows.reindex(columns=rows.columns.union(texts, sort=False))  # tables of benchmarks have fewer
    rows[list(texts)] = rows[list(texts)].astype(object).fillna("")
    folds = rows["folds"].str.split().str.len().clip(lower=1)
    rows = rows[folds == folds.groupby(rows["label"]).transform("max")]
    compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
    return rows.assign(compared=rows["label"].isin(compared))


def measurements(results: Path, csv: str) -> pd.DataFrame:
    """Read measurements that are no comparisons."""
    return read_measured(results / csv).query("~compared")


READERS: dict[str, Callable[[Path, str], pd.DataFrame]] = {
    reader.__name__: reader for reader in (read_tables, measurements)
}


def headline(results: Path) -> str:
    """Return the main results beside the best published figures, which published.csv names."""
    lines = []
    for row in pd.read_csv(results / "published.csv", dtype=str, keep_default_na=False).to_dict("records"):
        line = {"task": row["task"], "data": row["data"], "metric": row["shown"], "ours": _measured(results, row)}
        line["published"] = f"{row['published']} ({row['source']})" if row["published"] else "-"
        lines.append(line)
    return split(pd.DataFrame(lines))


def papers(results: Path) -> str:
    """Return what each paper prints beside its network here and the area of the cell alone, by split.

    papers.csv names the kept runs and the metric; without them the images of the paper are not public. The folds have
    another mix of classes than the paper's test part, so that no accuracy is compared there.
    """
    kept = pd.read_csv(results / "recomputed" / "networks.csv").set_index(["config", "protocol"])
    alone = pd.read_csv(results / "recomputed" / "area.csv").set_index("split")
    lines = []
    for row in pd.read_csv(results / "papers.csv", dtype=str, keep_default_na=False).to_dict("records"):
        config, metric = row["config"], row["metric"]
        cells = ["cannot be tested here: the images are not public", "-", "-"]
        names = [metric, f"{metric}_low", f"{metric}_high"]
        if config:
            cells[0] = interval(*kept.loc[(config, "paper"), names])
        if config and metric != "accuracy":
            area = [interval(*alone.loc[f"cnmc-names-fold{fold}", names]) for fold in (0, 1)]
            cells[1:] = [interval(*kept.loc[(config, "subject"), names]), "; ".join(area)]
        heads = ["here, on the paper's split", "here, persons apart", "area of the cell alone, persons apart"]
        lines.append({"paper": row["paper"], "the paper says": row["says"], **dict(zip(heads, cells, strict=True))})
    return markdown(pd.DataFrame(lines))


def verdict(paper: str, results: Path) -> str:
    """Return the number of figures of a paper by grade, and whether its networks are rather worse or better here."""
    figures = pd.read_csv(results / "grades.csv", dtype=dict.fromkeys(TEXT, str)).fillna(dict.fromkeys(TEXT, ""))
    of_paper = figures.query("paper == @paper")
    sentences = [f"{grade_summary(of_paper)}."]
    for test in sign_tests(of_paper).to_dict("records"):
        sentences.append(
            f"By {test['figures']}, {test['worse']} of {test['networks']} networks are worse than printed and "
            f"{test['better']} better (sign test: p = {test['p']:.2f})."
        )
    return "\n".join(sentences)


def _measured(results: Path, row: dict[str, str]) -> str:
    """Return the value of a metric with its interval; a row names file, label and metric."""
    measured = read_measured(results / f"{row['file']}.csv")
    match = measured[(measured["label"] == row["label"]) & (measured["metric"] == row["metric"])]
    if len(match) != 1:
        raise UserError(f"{row['file']}.csv has {len(match)} rows {row['label']!r}, {row['metric']}: one is needed")
    return interval(*match.iloc[0][["value", "low", "high"]])


_SPECIFICATION = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
# The files of results/ that the tables without a row in docs/tables.yaml read.
READ = {
    "headline": ["chromosomes/whole_cells.csv", "metaphases/karyotypes.csv"],
    "papers": ["recomputed/networks.csv", "recomputed/area.csv"],
}
TABLES: dict[str, Callable[[Path], str]] = {
    "sources": sources,
    "headline": headline,
    "papers": papers,
    **handbook.BLOCKS,
    **{f"verdict_{paper}": partial(verdict, paper) for paper in PAPERS},
    **{name: Table(**table) for name, table in _SPECIFICATION.items()},
}


app = program(tables, "python -m docs.tables", "python -m docs.tables --check")

if __name__ == "__main__":
    app()
