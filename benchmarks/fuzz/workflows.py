"""What the workflows make of folders of any files: each file is used, or listed with a cause."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from benchmarks.fuzz.images import write_images
from common.config.compose import compose_config
from common.config.data import PrepareConfig
from common.errors import UserError
from datamodules.inference.cell_images import FileStatus
from datamodules.preprocessing.cache import prepared_images
from datamodules.sources import scan
from datamodules.sources.folder import FolderConfig
from evaluation.predicted_table import read_predicted
from workflows.karyotyping.request import KaryotypeRequest
from workflows.karyotyping.run import karyotype_cells
from workflows.predict import predict_images
from workflows.predict_request import PredictRequest
from workflows.train import run as train

QUICK = (
    "weights=random",
    "loader.batch_size=32",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
    "logger.tensorboard=false",
    "evaluation.resamples=20",
    "split.near_duplicates=off",
)
CELLS = ("data=synthetic", "data.images=60", "data.subjects=12", "data.size=48", "model=scratch_cnn", "prepare.size=64")
CHROMOSOMES = (
    "+experiment=chromosomes_best",
    "data=synthetic_chromosomes",
    "data.cells=8",
    "data.cases=8",
    "split.folds=3",
    "model=resnet18",
    "model.cut=layer1",
    "prepare.size=[64,24]",
    "trainer.precision=32-true",
)


@dataclass
class Outcome:
    """What became of some cases.

    Attributes:
        workflow: The name of the workflow, or of the reader.
        kind: Of the cases.
        cases: Files, or texts, that were given to it.
        used: Those that were predicted, prepared, named or read.
        listed: Files that are listed with a cause.
        errors: Cases that ended with one line for the user.
        tracebacks: Cases that ended in any other way.
    """

    workflow: str
    kind: str
    cases: int
    used: int = 0
    listed: int = 0
    errors: int = 0
    tracebacks: int = 0

    @property
    def lost(self) -> int:
        """Cases of which nothing is said."""
        return self.cases - self.used - self.listed - self.errors - self.tracebacks

    def row(self) -> dict[str, str | int]:
        """Return a row of the table."""
        return {**asdict(self), "lost": self.lost}


@contextlib.contextmanager
def counted_errors(outcome: Outcome, cases: int = 1) -> Iterator[io.StringIO]:
    """Count what is raised within as an error of one line, or as a traceback, of ``cases``; yield what is printed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            yield printed
    except UserError as error:
        if str(error).isprintable():
            outcome.errors += cases
        else:
            outcome.tracebacks += cases
            print(f"{outcome.workflow}, {outcome.kind}: not one line: {str(error)!r}")
    except Exception as error:
        outcome.tracebacks += cases
        print(f"{outcome.workflow}, {outcome.kind}: {type(error).__name__}: {str(error)[:300]!r}")


def train_small(folder: Path, overrides: tuple[str, ...]) -> Path:
    """Train a tiny network with random first weights on drawn images; return its run."""
    places = [f"output_dir={folder / 'outputs'}", f"cache_dir={folder / 'cache'}"]
    with contextlib.redirect_stdout(io.StringIO()):
        return train(compose_config([*overrides, *QUICK, *places]))


def predict_folder(run: Path, folder: Path, outcome: Outcome) -> None:
    """Predict a folder; count what the table says of its files."""
    output = folder.parent / f"{folder.name}.csv"
    request = PredictRequest(
        words=[str(run), str(folder), f"cache_dir={folder.parent / 'cache'}"],
        output=output,
        sheet=folder.parent / f"{folder.name}.png",
    )
    request.check()
    predict_images(request)
    table, _ = read_predicted(request.parquet)
    text = pd.read_csv(output)
    if len(text) != len(table):
        raise ValueError(f"{len(text)} rows in the CSV, {len(table)} in the parquet file")
    outcome.used += int((table["status"] == "predicted").sum())
    outcome.listed += int((table["status"] == "broken").sum())


def prepare_folder(folder: Path, outcome: Outcome) -> None:
    """Scan and prepare a folder as images of a class to train on; count what the manifest says of them."""
    source = FolderConfig(source="folder", positive_class="b", on_broken="skip")
    manifest = scan(source, str(folder), folder.parent / "cache", progress=False)
    prepared = prepared_images(manifest, PrepareConfig(size=32), folder.parent / "cache", progress=False)
    good = {f"{name}/good.png" for name in "ab"}
    outcome.used += len(prepared) - len(good)
    outcome.listed += len(manifest.skipped)
    print(*manifest.notes, sep="\n")


def karyotype_folder(run: Path, folder: Path, outcome: Outcome) -> None:
    """Name the karyotypes of a folder of cells; count what its table says of the files."""
    output = folder.parent / f"{folder.name}-karyotypes"
    request = KaryotypeRequest(
        words=[str(run), str(folder)],
        output=output,
        fixed=None,
        refer_below=0.95,
        path_column="path",
        cell_column="cell_id",
        case_column="case_id",
        cache_dir=folder.parent / "cache",
        batchnorm=None,
    )
    request.check()
    karyotype_cells(request)
    status = pd.read_csv(output / "chromosomes.csv")["status"].value_counts()
    outcome.used += int(status.get(FileStatus.USED, 0))
    outcome.listed += int(status.drop(FileStatus.USED, errors="ignore").sum())


def fuzz_images(
    workflow: str, kind: str, count: int, seed: int, folder: Path, call: Callable[[Path, Outcome], None]
) -> Outcome:
    """Write images of a kind into a new folder, call a workflow with it, and return what became of them."""
    outcome = Outcome(workflow, kind, count)
    if workflow == "prepare":
        for name in "ab":
            write_images(folder / name, "plain", 1, seed + ord(name))
            next((folder / name).iterdir()).rename(folder / name / "good.png")
        write_images(folder / "a" / "files", kind, count, seed)
    else:
        write_images(folder / "cell", kind, count, seed)
    with counted_errors(outcome, count) as printed:
        call(folder, outcome)
        # Files whose suffix is none of an image are in no table: the summary has their number.
        others = re.search(r"([\d,]+) other files?:", printed.getvalue())
        outcome.listed += int(others[1].replace(",", "")) if others else 0
    return outcome
