"""Finished runs that were never trained: their predictions are drawn."""

import hashlib

from karyocyte.common.config.schema import EvaluationConfig
from karyocyte.common.runs.files import RunFile
from karyocyte.common.runs.run import Run
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig()


def finished_run(folder, name="resnet50_cut_block5", protocol="subject", fold=0, seed=0, skill=1.5, revisions=None):
    """Write a finished run of 60 test images of 12 persons; the persons of a fold are the same under each protocol."""
    run = Run(folder / "outputs" / name / f"{protocol}-fold{fold}-00000000" / f"seed={seed}")
    about = {"name": name, "protocol": protocol, "config": "00000000", "seed": seed}
    predictions = make_run(fold, seed=seed, skill=skill, about=about)
    predictions.frame["baseline_area_all"] = make_run(fold).frame["prob_all"]  # of the images, whatever the network
    run.folder.mkdir(parents=True)
    run.write_predictions(predictions)
    run.write_raw_config({"name": name, "data": {"source": "cnmc"}, "data_dir": "cnmc"})
    split = predictions.frame[["image_id", "path", "label", "subject"]]
    digests = [hashlib.sha256(image.encode()).hexdigest() for image in split["image_id"]]
    run.write_split(split.assign(sha256=digests, part=predictions.frame["part"]))
    run.write_json(RunFile.ENVIRONMENT, {"revisions": ["0123456789ab"] if revisions is None else revisions})
    run.write_status("finished")
    return run
