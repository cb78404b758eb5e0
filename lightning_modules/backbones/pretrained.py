"""Backbones with weights: random, by timm's tag, or from a file; never others than were asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timm.models import PretrainedCfg

from common.config.schema import ModelConfig, PretrainedConfig
from common.errors import UserError
from common.files import sha256_of_file, sha256_of_value
from lightning_modules.backbones.backbone import (
    Backbone,
    build_backbone,
    check_model_name,
    create_network,
    finish_backbone,
    image_scale,
)
from lightning_modules.backbones.local_weights import (
    find_local,
    load_file,
    loaded_batchnorm,
    local_names,
    merge_arguments,
    read_side_file,
)
from lightning_modules.backbones.timm_folders import TimmFolder, build_from_folder, find_folder, is_timm_form
from lightning_modules.backbones.timm_weights import check_tag, complete_loading, find_tag
from lightning_modules.backbones.truncation import ImageSize

OTHER_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".h5", ".keras", ".npz", ".onnx")


@dataclass(frozen=True)
class WeightsInfo:
    """What a backbone's weights are and how they want their images.

    Attributes:
        mean: Per channel, of images in [0, 1], as ``std``.
        sha256: Of the file's bytes, 64 hex digits; None for random weights.
        freeze_batchnorm: True where BatchNorm must stay in eval mode in every stage, unless it is restored.
        args: timm's arguments that the network was built with, the side file's among them.
        folded: Names of the BatchNorm layers that the file has folded into the convolutions.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str | None
    freeze_batchnorm: bool
    args: dict[str, Any]
    folded: tuple[str, ...] = ()

    def content_hash(self) -> str:
        """Return a SHA-256 (64 hex digits) over all that changes what the network computes, wherever the file lies."""
        return sha256_of_value([self.sha256, self.mean, self.std, self.freeze_batchnorm, self.args])


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights: of timm's with what timm knows of it, one in a folder of timm's form, or with a side file."""

    path: Path
    tag: PretrainedCfg | None = None
    folder: TimmFolder | None = None


def build_pretrained(
    model: ModelConfig,
    weights: str,
    input_size: ImageSize,
    pretrained: PretrainedConfig = PretrainedConfig(),  # noqa: B008 (frozen)
    weights_dir: str | None = None,
) -> tuple[Backbone, WeightsInfo]:
    """Build the backbone that ``model`` describes, with its weights.

    Args:
        model: Name, timm arguments and cut of the network.
        weights: ``random``, the name of a file in ``weights_dir`` (``resnet50_v1.msra_in1k``), one of timm's tags for
            this network (``resnet50.tv_in1k``), the path of a ``.safetensors`` file (relative to the working
            directory), or timm's forms ``hf-hub:<owner>/<repository>`` and ``local-dir:<folder>``, whose config.json
            says what the weights are. A file has a side file beside it.
        input_size: Side of the images, or height and width, in pixels.
        pretrained: What becomes of modules that a file lacks.
        weights_dir: The folder of weights files; a name is looked for there before timm is asked.

    Raises:
        UserError: Anything about the model or its weights that the user must correct.
    """
    if weights == "random":
        backbone = build_backbone(model.name, model.args, model.cut, input_size)
        return backbone, WeightsInfo(*image_scale(backbone.module), None, False, model.args)
    found = find_weights(model, weights, weights_dir)
    if found.folder is not None:
        backbone = build_from_folder(weights, model, found.folder, input_size)
        scale = [tuple(found.folder.pretrained[key]) for key in ("mean", "std")]
        args = {**found.folder.args, **model.args}
        return backbone, WeightsInfo(scale[0], scale[1], sha256_of_file(found.path), False, args)
    if found.tag is None:
        return _from_file(model, found.path, input_size, pretrained)
    return _from_tag(model, weights, found.path, found.tag, input_size)


def find_weights(model: ModelConfig, weights: str, weights_dir: str | None = None) -> FoundWeights:
    """Return the local file of weights other than ``random``, downloaded where that is needed.

    Arguments are those of ``build_pretrained``.

    Raises:
        UserError: There is no such file, or it is of another network; or no such tag, or no way to download it.
    """
    check_model_name(model.name)
    folder = Path(weights_dir).expanduser() if weights_dir else None
    if is_timm_form(weights):
        in_timm_form = find_folder(weights, model.name, folder)
        return FoundWeights(in_timm_form.file, folder=in_timm_form)
    if weights.endswith(".safetensors"):
        return FoundWeights(_checked_file(model, Path(weights).expanduser()))
    if weights.endswith(OTHER_SUFFIXES) or "/" in weights:
        forms = "or as config.json and model.safetensors in a folder, weights=local-dir:<folder>"
        raise UserError(
            f"weights={weights}: save the weights as .safetensors, with their side file beside them, {forms}"
        )
    local = find_local(weights, folder, model.cut)
    if local is not None:
        return FoundWeights(_checked_file(model, local))
    names = local_names(model.name, folder)
    tag = check_tag(model.name, weights, names)
    try:
        return FoundWeights(find_tag(weights, tag, folder), tag)
    except UserError as error:
        if not names:
            raise
        choices = " or ".join(map(_typed_for, names))
        raise UserError(f"{error}; {folder} has other weights of {model.name}: {choices}") from error


def _typed_for(name: str) -> str:
    """Return the settings that take a file of the weights folder, such as a trunk, by its name."""
    weights, is_trunk, module = name.partition(".trunk_to_")
    return f"weights={weights} model.cut={module}" if is_trunk else f"weights={name}"


def _checked_file(model: ModelConfig, path: Path) -> Path:
    side = read_side_file(path)
    if side.model != model.name:
        raise UserError(f"weights={path}: of {side.model} (its side file says), but model.name={model.name}")
    return path


def _from_file(
    model: ModelConfig, path: Path, input_size: ImageSize, pretrained: PretrainedConfig
) -> tuple[Backbone, WeightsInfo]:
    side = read_side_file(path)
    args = merge_arguments(model.args, side, path)
    backbone = build_backbone(model.name, args, model.cut, input_size)
    loaded = load_file(backbone, path, side, pretrained.missing == "random")
    folded = loaded_batchnorm(backbone.module, loaded) if side.freeze_batchnorm else ()
    return backbone, WeightsInfo(side.mean, side.std, sha256_of_file(path), side.freeze_batchnorm, args, folded)


def _from_tag(
    model: ModelConfig, weights: str, path: Path, tag: PretrainedCfg, input_size: ImageSize
) -> tuple[Backbone, WeightsInfo]:
    """Let timm load the whole network, which is then cut: timm knows how each of its files is converted."""
    # A file from the hub is in timm's own format even where its first source, at an address, was in another.
    overlay = {"file": str(path), "custom_load": tag.custom_load and not tag.hf_hub_id}
    timm_args = {"pretrained": True, "pretrained_cfg": weights.partition(".")[2], "pretrained_cfg_overlay": overlay}
    with complete_loading(weights):
        network = create_network(model.name, model.args, input_size, **timm_args)
    backbone = finish_backbone(network, model.cut, input_size)
    return backbone, WeightsInfo(tuple(tag.mean), tuple(tag.std), sha256_of_file(path), False, model.args)
