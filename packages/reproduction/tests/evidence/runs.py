"""Finished runs that were never trained: their predictions are drawn."""

import hashlib
from functools import cache

from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import EvaluationConfig
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig()


@cache
def composed(name, *words):
    """Return the configuration of an experiment, not to be changed."""
    return compose_config([f"+experiment={name}", *words]).model_dump(mode="json")


def finished_run(
    folder, name="resnet50_cut_block5", protocol="subject", fold=0, seed=0, skill=1.5, revisions=None, words=()
):
    """Write a finished run of 60 test images of 12 persons; the persons of a fold are the same under each protocol.

    ``words`` are overrides of its experiment.
    """
    address = f"{len(words):08}"
    run = Run(folder / "outputs" / name / f"{protocol}-fold{fold}-{address}" / f"seed={seed}")
    about = {"name": name, "protocol": protocol, "config": address, "seed": seed}
    predictions = make_run(fold, seed=seed, skill=skill, about=about)
    predictions.frame["baseline_area_all"] = make_run(fold).frame["prob_all"]  # of the images, whatever the network
    run.folder.mkdir(parents=True)
    run.write_predictions(predictions)
    run.write_config({**composed(name, *words), "data_dir": "cnmc"})
    split = predictions.frame[["image_id", "path", "label", "subject"]]
    digests = [hashlib.sha256(image.encode()).hexdigest() for image in split["image_id"]]
    run.write_split(split.assign(sha256=digests, part=predictions.frame["part"]))
    run.write_json(RunFile.ENVIRONMENT, {"revisions": ["0123456789ab"] if revisions is None else revisions})
    run.write_status("finished")
    return run
