"""Whether regressions on frozen features of C-NMC read how a file is coded: original files against coded copies.

``python -m reproduction.persons.copies ORIGINALS COPIES`` reads the files of `reproduction.persons.features` of the
original images, and of copies that were compressed again (AVIF, 45 dB), and keeps, in ``results/evidence/copies``, the
score of each image as both by regressions on other persons, which train on originals, on copies or on both: column
``<trained> on <tested>``, of the first division into four folds. ``--predictions`` adds a network that was trained on
copies: the probabilities of its test persons as originals and as copies.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from karyocyte.common.cli import report_user_errors, say
from karyocyte.common.files import atomic_path
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.persons.experiments import FOLDS, Images, checked_revision, fitted, folds_of
from reproduction.persons.features import FEATURE

FOLDER = RESULTS / EVIDENCE / "copies"
CODINGS = ("originals", "copies")


def scores_of(originals: Images, copies: Images) -> pd.DataFrame:
    """Return the scores of images as both codings, by what trained, float16, and the fold of each."""
    tested = dict(zip(CODINGS, (originals, copies), strict=True))
    trained = {name: [images] for name, images in tested.items()} | {"both": [originals, copies]}
    folds = originals.frame["subject"].map(folds_of(originals, 0)).to_numpy()
    scores = {f"{name} on {coding}": np.full(len(folds), np.nan) for name in trained for coding in CODINGS}
    for fold in range(FOLDS):
        test = folds == fold
        for name, images in trained.items():
            values = np.concatenate([each.values[~test] for each in images])
            model = fitted(values, np.tile(originals.positive[~test], len(images)))
            for coding, each in tested.items():
                scores[f"{name} on {coding}"][test] = model.decision_function(each.values[test])
    return pd.DataFrame(scores).astype(np.float16).assign(fold=folds)


def same_images(originals: pd.DataFrame, copies: pd.DataFrame) -> tuple[Images, Images]:
    """Return the images that both tables have, in the order of the first."""
    copies = copies.set_index(copies["image_id"].str.upper())  # the copies spell subjects as UID_h3, too
    names = originals["image_id"].str.upper()
    both = originals[names.isin(copies.index)].reset_index(drop=True)
    copied = copies.loc[both["image_id"].str.upper()].reset_index(drop=True)
    one, other = (Images(both, table.filter(like=FEATURE).to_numpy(np.float32)) for table in (both, copied))
    return one, other


def scores_of_network(images: pd.DataFrame, tables: list[Path], persons: list[str]) -> pd.DataFrame:
    """Return the log-odds of leukaemia of some persons' images, by tables of predict.py in the order of `CODINGS`."""
    scores = {}
    names = images["image_id"].str.upper()
    for coding, path in zip(CODINGS, tables, strict=True):
        table = pd.read_parquet(path)
        probability = table.set_index(table["file"].str.upper().str.removesuffix(".BMP"))["prob_all"]
        probability = probability.clip(1e-4, 1 - 1e-4)
        scores[f"copies on {coding}"] = names.map(np.log(probability / (1 - probability)))
    return pd.DataFrame(scores).where(images["subject"].isin(persons)).astype(np.float16).assign(fold=0)


def run(
    originals: Annotated[Path, typer.Argument(exists=True, help="Features of the original files.")],
    copies: Annotated[Path, typer.Argument(exists=True, help="Features of the copies.")],
    predictions: Annotated[list[Path], typer.Option(help="Parquet of predict.py: originals, then copies.")] = [],  # noqa: B006
    person: Annotated[list[str], typer.Option(help="Persons that the network of --predictions has not seen.")] = [],  # noqa: B006
) -> None:
    """Keep the scores of images as original files and as copies."""
    revision = checked_revision()
    for path in sorted(copies.glob("*.parquet")):
        say(path.stem)
        images = same_images(pd.read_parquet(originals / path.name), pd.read_parquet(path))
        _keep(path.stem, images[0].frame, scores_of(*images), revision)
    if predictions:
        facts = pd.read_parquet(next(originals.glob("*.parquet")), columns=["image_id", "label", "subject"])
        _keep("network", facts, scores_of_network(facts, predictions, person), revision)


def _keep(name: str, facts: pd.DataFrame, scores: pd.DataFrame, revision: str) -> None:
    table = facts[["image_id", "label", "subject"]].join(scores).dropna(ignore_index=True)
    table.attrs["revision"] = revision  # is kept in the file
    with atomic_path(FOLDER / f"{name}.parquet") as temporary:
        table.to_parquet(temporary, compression="zstd")


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
