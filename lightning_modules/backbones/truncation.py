"""Cut a timm network at a named module, and prove once that the cut is where it was asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from common.errors import UserError, close_names

ImageSize = int | tuple[int, int]  # the side of a square image, or (height, width), in pixels


class Removed(nn.Identity):
    """Stands where a module was that the cut, or the missing classifier, made useless: returns its first input."""

    def forward(self, x: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Return the first argument as it is; a network may pass more of them."""
        return x


@dataclass
class Trace:
    """What one pass of ``forward_features`` did.

    Attributes:
        entered: Name of a module -> moment at which it was first called.
        left: Name of a module -> moment at which its last call ended.
        at_cut: Output of the module at the cut; None without a cut.
        output: Output of ``forward_features``.
    """

    entered: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    at_cut: Any = None
    output: Any = None


def cut_backbone(network: nn.Module, cut: str | None, input_size: ImageSize) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Leave of ``network``, in place, what ``forward_features`` needs to reach the output of the module ``cut``.

    Every module that runs after the cut becomes a :class:`Removed`, and so does every child of the network with
    parameters that ``forward_features`` never calls (classifiers, VGG's ``pre_logits`` of 119.5 million parameters).
    Then ``forward_features`` must give the very output that the uncut network had at that place, on a random image.

    Args:
        network: A timm model; its training flags, weights and the random state stay as they are.
        cut: Name of a module, such as ``layer3`` or ``blocks.4``; None keeps all that ``forward_features`` uses.
        input_size: Of the image for the check: its side, or height and width, in pixels.

    Returns:
        The names of the modules that are no part of the backbone, and the shape of one image's features.

    Raises:
        UserError: No module has the name ``cut``; it is no part of ``forward_features``; the network does more after
            it than call modules, so that it cannot be cut there; or the network refuses images of this size.
    """
    image = random_image(input_size)
    with torch.no_grad(), evaluating(network), _constants_scrambled(network):
        trace, expected = _observe(network, image, cut)
        if cut is None:
            after = []
        else:
            after = _remove_after(network, trace, trace.left[cut])
        unused = _drop_unused(network, trace, lambda: _gives(network, image, expected))
    if unused is None:
        other = close_names(cut or "", [name for name in trace.left if name != cut])
        raise UserError(
            f"model.cut={cut}: the network does more after it than call modules: cut where a block ends; {other}"
        )
    return (*after, *unused), tuple(expected.shape[1:])


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


def first_line(error: BaseException) -> str:
    """Return what a library's error says in one line; a line that only announces the next is joined with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if lines[0].endswith(":"):
        return " ".join(lines[:2])
    return lines[0]


def has_parameters(module: nn.Module) -> bool:
    """Tell whether the module or one below it holds a parameter."""
    return next(module.parameters(), None) is not None


def _observe(network: nn.Module, image: torch.Tensor, cut: str | None) -> tuple[Trace, torch.Tensor]:
    """Run the uncut network; return what ran, and the output at the cut (or at the end)."""
    try:
        trace = _trace(network, image, cut)
    except Exception as error:  # each network refuses in its own way: assertions, runtime and value errors
        height, width = image.shape[-2:]
        if height == width:
            size = height
        else:
            size = f"[{height},{width}]"
        raise UserError(f"prepare.size={size}: the network refuses such images: {first_line(error)}") from error
    if cut is not None and cut not in trace.left:
        known = any(name == cut for name, _ in network.named_modules())
        if known:
            reason = "the feature extractor does not call it"
        else:
            reason = "the network has no such module"
        raise UserError(f"model.cut={cut}: {reason}; {close_names(cut, list(trace.left))}")
    if cut is None:
        expected = trace.output
    else:
        expected = trace.at_cut
    if not isinstance(expected, torch.Tensor):
        if cut is None:
            place = "model.name: forward_features"
        else:
            place = f"model.cut={cut}: the module"
        raise UserError(f"{place} gives a {type(expected).__name__}, not one tensor: cut the network elsewhere")
    return trace, expected


def _trace(network: nn.Module, image: torch.Tensor, cut: str | None) -> Trace:
    trace = Trace()
    clock = count()
    handles = []

    def hooks(name: str) -> tuple[Callable, Callable]:
        def enter(_module: nn.Module, _args: Any) -> None:
            trace.entered.setdefault(name, next(clock))

        def leave(_module: nn.Module, _args: Any, output: Any) -> None:
            trace.left[name] = next(clock)
            if name == cut:
                # A clone, since the next module may work in place.
                if isinstance(output, torch.Tensor):
                    trace.at_cut = output.clone()
                else:
                    trace.at_cut = output

        return enter, leave

    try:
        for name, module in network.named_modules():
            if name:
                enter, leave = hooks(name)
                handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        trace.output = network.forward_features(image)
    finally:
        for handle in handles:
            handle.remove()
    return trace


def _remove_after(parent: nn.Module, trace: Trace, moment: int, prefix: str = "") -> list[str]:
    """Replace the highest modules that were called only after ``moment``; return their names."""
    removed = []
    for key, child in list(parent.named_children()):
        name = prefix + key
        if trace.entered.get(name, -1) > moment:
            setattr(parent, key, Removed())
            removed.append(name)
        else:
            removed += _remove_after(child, trace, moment, f"{name}.")
    return removed


def _drop_unused(network: nn.Module, trace: Trace, right: Callable[[], bool]) -> list[str] | None:
    """Drop the children that never ran; return the names of those, or None where the output is not ``right``."""
    unused = [
        name
        for name, _ in network.named_children()
        if not any(ran == name or ran.startswith(f"{name}.") for ran in trace.entered)
    ]
    dropped = {name: child for name, child in network.named_children() if name in unused and has_parameters(child)}
    for name in dropped:
        setattr(network, name, Removed())
    if right():
        return unused
    # Some networks read the parameters of a child that they never call: those children stay.
    for name, child in dropped.items():
        setattr(network, name, child)
    if dropped and right():
        return [name for name in unused if name not in dropped]
    return None


def _gives(network: nn.Module, image: torch.Tensor, expected: torch.Tensor) -> bool:
    try:
        output = network.forward_features(image)
    except Exception:  # a step between the modules met a shape that it was not made for
        return False
    same_shape = isinstance(output, torch.Tensor) and output.shape == expected.shape
    return same_shape and torch.allclose(output, expected, rtol=1e-4, atol=1e-6)


@contextmanager
def _constants_scrambled(network: nn.Module) -> Iterator[None]:
    """Give parameters that are all one value (zero biases, unit gains) random values for a while.

    A fresh residual block whose last gain is zero passes its input on, and a factor of one hides a multiplication:
    either could make a wrong cut look right.
    """
    generator = torch.Generator().manual_seed(1)
    constant = [p for p in network.parameters() if p.numel() and bool((p == p.flatten()[0]).all())]
    before = [parameter.detach().clone() for parameter in constant]
    try:
        for parameter in constant:
            parameter.uniform_(0.2, 0.8, generator=generator)
        yield
    finally:
        for parameter, value in zip(constant, before, strict=True):
            parameter.copy_(value)
