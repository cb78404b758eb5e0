"""Run folders as a report reads them."""

import re
from pathlib import Path

import numpy as np

from karyocyte.common.files import write_json, write_text
from karyocyte.evaluation.pages.thumbnails import write_pictures
from karyocyte.runs.files import RunFile, RunFolder
from karyocyte.runs.predictions import Predictions, write_predictions

RESAMPLES = 20
CONFIG = f"evaluation:\n  resamples: {RESAMPLES}\n"
LEAKS = {"subjects": 3, "identical_pairs": 0, "near_pairs": 1, "seen_by_start": 0}
NO_LEAKS = {"subjects": 0, "identical_pairs": 0, "near_pairs": None, "seen_by_start": 0}
CLEAN = {**NO_LEAKS, "near_pairs": 0}


def write_run(folder: Path, run: Predictions, pictures: bool = True, maps: tuple[str, ...] = ()) -> Path:
    """Write predictions, a picture per test image, and heat maps of the methods named; return the folder.

    It is evaluated with few resamples, so that tests are quick; of the first image no map has any heat.
    """
    write_predictions(folder / "predictions.parquet", run)
    write_text(folder / "config.yaml", CONFIG)
    names = run.part("test").frame["image_id"]
    if pictures:
        write_pictures(folder / RunFile.THUMBNAILS, names, drawn(len(names)), 24)
    for seed, name in enumerate(maps, 1):
        write_pictures(folder / RunFolder.HEATMAPS / f"{name}.parquet", names, drawn(len(names), seed), 24)
        rows = [f"{image_id},{run.classes[-1]},{not number}" for number, image_id in enumerate(names)]
        write_text(folder / RunFolder.HEATMAPS / f"{name}.csv", "\n".join(["image_id,target,empty", *rows, ""]))
    return folder


def drawn(count: int, seed: int = 0) -> list[np.ndarray]:
    """Pictures of noise, no two alike."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, 24, 24, 3), dtype=np.uint8))


def write_facts(folder: Path) -> None:
    """Write what train.py leaves beside the predictions: configuration, versions, split and curves."""
    write_text(folder / "config.yaml", f"name: tiny\ndata_dir: /srv/ward7/cells\nsplit:\n  folds: 3\n{CONFIG}")
    write_json(folder / "environment.json", {"python": "3.11", "packages": {"torch": "2.11"}, "revisions": ["abc123"]})
    data = {"classes": ["hem", "all"], "positive_class": "all", "notes": ["2 broken images skipped"]}
    write_json(folder / "data.json", data | {"skipped": ["sample_x.bmp", "sample_y.bmp"]})
    rows = ["image_id,path,label,subject,sha256,part", "a,a.bmp,hem,007,0,train", "b,b.bmp,all,,1,train"]
    write_text(folder / "split.csv", "\n".join([*rows, "c,c.bmp,all,008,2,test", ""]))
    curves = "epoch,train/loss,val/loss,val/auc\n0,0.7,0.6,0.8\n1,0.5,0.55,0.85\n"
    write_text(folder / "logs" / "1-head" / "version_0" / "metrics.csv", curves)


def table_rows(html: str, caption: str) -> list[list[str]]:
    """Return the cells of the table with that caption, as text without tags, its heads first."""
    (table,) = [one for one in re.findall(r"<table>.*?</table>", html, re.S) if f"<caption>{caption}" in one]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]
