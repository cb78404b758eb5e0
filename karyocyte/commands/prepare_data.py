"""Bring a data set into shape before the training: unpack, check, count, and prepare its images once."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.common.errors import UserError

Overrides = Annotated[
    list[str] | None,
    Argument(metavar="KEY=VALUE...", help="As train.py takes them: data=mnist data_dir=..., +experiment=<name>."),
]
Weights = Annotated[bool, Option("--weights", help="List and bring the pretrained weights instead, and no data.")]
All = Annotated[bool, Option("--all", help="With --weights: those of every experiment.")]
ListOnly = Annotated[bool, Option("--list", help="With --weights: only list them; it needs no internet.")]
Images = Annotated[bool, Option(help="Prepare the images too (prepare.*), or only unpack and count.")]
BeforeAfter = Annotated[
    Path | None,
    Option(help="Draw images before and after each step, CLAHE and augmentation into this folder (004, 1 to 3)."),
]
Primary = Annotated[str, Option("--config-name", help="As of train.py: the network that the data are for.")]
ConfigDir = Annotated[Path | None, Option(help="As of train.py: a folder of files like those of conf/.")]
Export = Annotated[
    Path | None,
    Option(help="Only copy synthetic images, or chromosomes cut out of pictures with boxes, into this new folder."),
]


def prepare_data(
    overrides: Overrides = None,
    images: Images = True,
    before_after: BeforeAfter = None,
    weights: Weights = False,
    every: All = False,
    list_only: ListOnly = False,
    export: Export = None,
    primary: Primary = "train",
    config_dir: ConfigDir = None,  # noqa: ARG001 (as of train.py, it is read where Hydra composes)
) -> None:
    """Unpack a data set safely, check it against what is published, print its tables, and prepare its images once.

    A zip in data_dir is unpacked below cache_dir; train.py finds all of it done. Of a sweep, all that its jobs need.

    --weights lists the pretrained weights of the run or sweep and brings those that are missing, for machines without
    internet; train.py with the same words finds them. They lie in weights_dir (KARYOCYTE_WEIGHTS_DIR) if it is set,
    otherwise those of Keras in cache_dir, others in the cache of the Hugging Face hub.
    """
    # Imported here: the help page needs none of it, and a mistyped key nothing of the second half.
    from karyocyte.common.installed import conf_files
    from karyocyte.composition.grid import job_configs

    experiments = ",".join(path.stem for path in conf_files("experiment"))
    words = [*(overrides or ()), *[f"+experiment={experiments}"] * every]
    if (every or list_only) and not weights:
        raise UserError("--all and --list are of weights: add --weights")
    configs = job_configs(words, needs_data=not weights, primary=primary)
    if weights:
        from karyocyte.workflows.sweeps.weights import bring_weights

        bring_weights(configs, not list_only)
        return
    from karyocyte.workflows.prepare_data import export_set, prepare_all

    if export is not None:
        if before_after or not images:
            raise UserError("--export writes images alone: leave out --before-after and --no-images")
        export_set(configs, export)
        return
    prepare_all(configs, images, before_after)


app = program(
    prepare_data,
    "python scripts/prepare_data.py +experiment=chromosomes data=chromosomes data_dir=cells.zip",
    "python scripts/prepare_data.py data=mnist data_dir=mnist protocol=image",
    "python scripts/prepare_data.py data=synthetic_chromosomes --export cells",
    "python scripts/prepare_data.py --config-name detector data_dir=metaphases --export cut_outs",
    "python scripts/prepare_data.py +sweep=cnmc_grid --weights weights_dir=weights",
    "python scripts/prepare_data.py --weights --all --list",
)
