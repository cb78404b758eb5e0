"""Rules over several groups of the configuration, which no single model of the schema can check."""

from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import KARYOGRAM_SOURCES
from karyocyte.common.keras import weights_name
from karyocyte.config.data import TransformConfig
from karyocyte.config.schema import Config, TrainingConfig
from karyocyte.config.sources import settings_of

# Transforms that move a chromosome to another place.
MOVING = ("flips", "rotations", "mirror", "rotate", "stretch", "shift")
TURNED_COPIES = ("paper", "hem_all")  # ways to balance that add turned copies
DATA_DIR_HINT = (
    "set data_dir=<folder or zip> or KARYOCYTE_DATA_DIR, or try `python train.py +profile=demo`, which needs no data"
)


def check_network(source: str, recipe: str) -> None:
    """Check that images of a source are for a kind of network; a ``UserError`` names the primary configuration."""
    recipes = settings_of(source).recipes
    if recipe in recipes:
        return
    remedy = "leave out --config-name, or name other data"
    if "classifier" not in recipes:
        remedy = f"type --config-name {recipes[0]}"
    raise UserError(f"data.source={source} is for a {' or '.join(recipes)}, not for a {recipe}: {remedy}")


def check_rules(config: TrainingConfig) -> None:
    """Check the rules over several groups; a ``UserError`` names two values that contradict one another."""
    weights_name(config.weights, config.model.name)
    if config.callbacks.check_and_adjust.enabled:
        if config.scheduler.target is not None:
            raise UserError("callbacks.check_and_adjust sets the learning rate: set `scheduler=none` beside it")
        for name, stage in config.unfreeze.stages.items():
            for key in ("scheduler", "head_lr"):
                if getattr(stage, key):
                    rate = f"unfreeze.stages.{name}.{key}=null"
                    raise UserError(f"callbacks.check_and_adjust sets the learning rate: set `{rate}` beside it")
    # A step of the average is smaller than the last bit of such a weight.
    if config.callbacks.averaging.enabled and config.trainer.precision in ("16-true", "bf16-true"):
        raise UserError("callbacks.averaging is lost in 16-bit weights: set `trainer.precision=32-true` or a mixed one")
    if isinstance(config, Config):
        _check_classifier(config)


def _check_classifier(config: Config) -> None:
    if config.data.source in KARYOGRAM_SOURCES:
        _check_karyograms(config)
    if config.head.logits == 1 and config.loss.entry.get("label_smoothing"):
        raise UserError(
            "loss.label_smoothing needs `head.logits=2` (one output has no smoothed target): set it, or leave it out"
        )
    if config.head.orientation:
        _check_orientation(config)
    config.evaluation.triage.check_votes(config.inference.mc_passes > 0)
    _check_turns(config)


def _check_turns(config: Config) -> None:
    """Flips and rotations turn the copies that a balance adds, and originals with a probability."""
    transform, copies = config.transform, config.balance.name in TURNED_COPIES
    turned = transform.flips or transform.rotations
    if copies and not turned:
        adds = f"balance={config.balance.name} adds turned copies"
        raise UserError(f"{adds}: set `transform.flips=true` or transform.rotations=true, or `balance=none`")
    if turned and not copies and transform.apply_to == "all" and transform.probability == 0:
        raise UserError("transform.probability=0 flips and rotates no image: set `transform.probability=0.5`")


def _check_orientation(config: Config) -> None:
    """The training images are upright, and every second one is turned: no transform may turn them over as well."""
    if config.head.logits == 1:
        raise UserError("head.orientation=true needs a logit per class, not head.logits=1: set `head.logits=null`")
    over = _enabled(config.transform, ("flips", "rotations"))
    if config.transform.rotate > 90:
        over.append(f"transform.rotate={config.transform.rotate:g}")
    if over:
        raise UserError(f"{', '.join(over)}: such images are not upright, as head.orientation=true needs: leave it out")


def _check_karyograms(config: Config) -> None:
    """Whole karyograms are neither turned as a whole nor moved."""
    source = config.data.source
    if config.prepare.fit == "canvas":
        canvas = "prepare.fit=canvas takes one chromosome and turns it upright"
        raise UserError(f"{canvas}, data.source={source} has whole karyograms: set `prepare.fit=stretch` or square")
    turned = _enabled(config.transform, MOVING)
    if config.inference.mirror:
        turned.append("inference.mirror")
    if config.head.orientation:
        turned.append("head.orientation")
    if config.balance.name in TURNED_COPIES:
        turned.append(f"balance={config.balance.name}")
    if turned:
        place = "in a karyogram the place of each chromosome carries meaning (paper 001, 3.1.2)"
        raise UserError(f"{', '.join(turned)}: {place}: use `transform=karyograms`, and leave this out")


def _enabled(transform: TransformConfig, names: tuple[str, ...]) -> list[str]:
    return [f"transform.{name}" for name in names if getattr(transform, name)]
