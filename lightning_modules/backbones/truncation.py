"""Cut a timm network at a named module, and prove once that the cut is where it was asked for."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError, close_names, first_line

ImageSize = int | tuple[int, int]  # the side of a square image, or (height, width), in pixels


class Removed(nn.Module):
    """Replaces a module that the cut, or the missing classifier, made useless: returns its first input."""

    def __init__(self, replaced: nn.Module) -> None:
        super().__init__()
        self.had_layers = any(parameter.ndim > 1 for parameter in replaced.parameters())

    def forward(self, x: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Return the first argument as it is; a network may pass more of them."""
        return x


@dataclass
class Trace:
    """What one pass of ``forward_features`` did: the order of first calls, and how many were before the cut's last end.

    The output is that of the module at the cut; without a cut, of ``forward_features``.
    """

    entered: dict[str, int] = field(default_factory=dict)
    before_end: float = math.inf
    output: Any = None


def cut_backbone(network: nn.Module, cut: str | None, input_size: ImageSize) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Leave of ``network``, in place, what ``forward_features`` needs to reach the output of the module ``cut``.

    Every module that runs after the cut becomes a ``Removed``, and so does every child of the network with
    parameters that ``forward_features`` never calls (classifiers, VGG's ``pre_logits`` of 119.5 million parameters).
    Then ``forward_features`` must give the very output that the uncut network had at that place, on a random image.

    Args:
        network: A timm model; its training flags, weights and the random state stay as they are.
        cut: Name of a module, such as ``layer3``; None keeps all that ``forward_features`` uses.
        input_size: Of the image for the check, in pixels.

    Returns:
        The names of the modules that are no part of the backbone, and the shape of one image's features.

    Raises:
        UserError: There is no such module, the network cannot be cut there, or it refuses images of this size.
    """
    image = random_image(input_size)
    with torch.no_grad(), evaluating(network), constants_scrambled(network):
        trace = _trace(network, image, cut)
        after = _remove_after(network, trace)
        unused = _drop_unused(network, trace, image)
    if unused is None:
        trace.entered.pop(cut or "", None)
        other = close_names(cut or "", list(trace.entered))
        raise UserError(
            f"model.cut={cut}: the network does more after it than call modules: cut where a block ends; {other}"
        )
    return (*after, *unused), tuple(trace.output.shape[1:])


def random_image(size: ImageSize) -> torch.Tensor:
    """Return noise, always the same, as one image: float32 in [0, 1), shape (1, 3, height, width)."""
    return torch.rand(1, 3, *to_2tuple(size), generator=torch.Generator().manual_seed(0))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network and all its modules in eval mode for a while; each has its own mode again afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def features_of(network: nn.Module, image: torch.Tensor) -> Any:
    """Return what timm's ``forward_features`` makes of images (B, 3, H, W)."""
    forward_features: Any = network.forward_features
    return forward_features(image)


def has_parameters(module: nn.Module) -> bool:
    """Tell whether the module or one below it holds a parameter."""
    return next(module.parameters(), None) is not None


def _trace(network: nn.Module, image: torch.Tensor, cut: str | None) -> Trace:
    """Run the uncut network and note what ran."""
    trace = Trace()
    modules = dict(network.named_modules())
    names = dict(zip(modules.values(), modules, strict=True))

    def enter(module: nn.Module, _args: Any) -> None:
        """Note when a module begins."""
        trace.entered.setdefault(names[module], len(trace.entered))

    def leave_cut(_module: nn.Module, _args: Any, output: Any) -> None:
        """Note when the module of the cut ends, and what it returns."""
        trace.before_end = len(trace.entered)
        # A clone, since the next module may work in place.
        trace.output = output.clone() if isinstance(output, torch.Tensor) else output

    handles = [module.register_forward_pre_hook(enter) for module in names]
    if cut in modules:
        handles.append(modules[cut].register_forward_hook(leave_cut))
    try:
        output = features_of(network, image)
    except Exception as error:  # each network refuses in its own way: assertions, runtime and value errors
        size = "x".join(map(str, image.shape[-2:]))
        raise UserError(f"prepare.size: the network refuses images of {size} px: {first_line(error)}") from error
    finally:
        for handle in handles:
            handle.remove()
    place = f"model.cut={cut}: the module"
    if cut is None:
        trace.output = output
        place = "model.name: forward_features"
    elif cut not in trace.entered:
        reason = "the feature extractor does not call it" if cut in modules else "the network has no such module"
        raise UserError(f"model.cut={cut}: {reason}; {close_names(cut, list(trace.entered))}")
    if not isinstance(trace.output, torch.Tensor):
        given = f"{place} gives a {type(trace.output).__name__}, not one tensor"
        raise UserError(f"{given}: cut the network elsewhere")
    return trace


def _remove_after(parent: nn.Module, trace: Trace, prefix: str = "") -> list[str]:
    """Replace the highest modules that were called only after the end of the cut; return their names."""
    removed = []
    for key, child in list(parent.named_children()):
        name = prefix + key
        if trace.entered.get(name, -1) >= trace.before_end:
            setattr(parent, key, Removed(child))
            removed.append(name)
        else:
            removed += _remove_after(child, trace, f"{name}.")
    return removed


def _drop_unused(network: nn.Module, trace: Trace, image: torch.Tensor) -> list[str] | None:
    """Drop the children that never ran; return their names, or None where the output is not that of the trace."""
    idle = []
    dropped = {}
    for name, child in list(network.named_children()):
        if name in trace.entered or any(entered.startswith(f"{name}.") for entered in trace.entered):
            continue
        if has_parameters(child):
            dropped[name] = child
            setattr(network, name, Removed(child))
        idle.append(name)
    if _gives(network, image, trace.output):
        return idle
    # Some networks read the parameters of a child that they never call: those children stay.
    for name, child in dropped.items():
        setattr(network, name, child)
        idle.remove(name)
    return idle if dropped and _gives(network, image, trace.output) else None


def _gives(network: nn.Module, image: torch.Tensor, expected: torch.Tensor) -> bool:
    try:
        output = features_of(network, image)
    except Exception:  # a step between the modules met a shape that it was not made for
        return False
    same_shape = isinstance(output, torch.Tensor) and output.shape == expected.shape
    return same_shape and torch.allclose(output, expected, rtol=1e-4, atol=1e-6)


@contextmanager
def constants_scrambled(network: nn.Module) -> Iterator[None]:
    """Give parameters that are all one value (zero biases, unit gains) random values for a while.

    They could make a wrong cut look right: a fresh residual block whose last gain is zero passes its input on.
    """
    generator = torch.Generator().manual_seed(1)
    before = {}
    for parameter in network.parameters():
        values = parameter.detach().flatten()
        # Of drawn weights the first and the last one differ already.
        if len(values) and values[0] == values[-1] and (values == values[0]).all():
            before[parameter] = parameter.detach().clone()
    try:
        for parameter in before:
            parameter.uniform_(0.2, 0.8, generator=generator)
        yield
    finally:
        for parameter, value in before.items():
            parameter.copy_(value)
