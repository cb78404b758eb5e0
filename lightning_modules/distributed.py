"""Joining the other processes of a run, and agreeing with them.

A process on its own joins nobody: every function here is then free, and does what its name says with one voice.

Slurm or torchrun has started the processes. What they must share, who is finished, what lies on the disk, the first one
decides and tells the others. An error that one meets where the others wait for it ends all of them, and one tells it.
Where a process dies in the middle of a training, its connections break: on CPUs (gloo) the others notice at once and
end. On GPUs (NCCL) they may wait in vain until ``srun --kill-on-bad-exit`` or torchrun, which both watch the processes,
end them.
"""

import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_only

from common.cli import console
from common.config.schema import TrainerConfig
from common.errors import RepeatedError, UserError
from common.runs.distributed import World, world_of

T = TypeVar("T")

# Of one node's processes, one prepares the images while the others wait at its lock; other nodes may be done before.
PATIENCE = timedelta(hours=6)
# A task whose node still boots, or that has met an error before it could join.
UNTIL_JOINED = timedelta(minutes=10)
# Seconds between the moments at which a signal for all of them reaches the nodes.
MOMENT = 2.0

_worlds: list[World] = []  # of the runs that this process has joined for, in their order


class UnevenDDPStrategy(DDPStrategy):
    """Lightning's DDP for processes that may have different numbers of images and of batches.

    It does not hand out buffers before every forward pass: in a validation, some would wait for others that have no
    batch left. The callback ``BatchNormSync`` does what is needed.
    """

    def __init__(self) -> None:
        super().__init__(broadcast_buffers=False)

    def reduce(self, tensor: Any, group: Any | None = None, reduce_op: Any = "mean") -> Any:
        """Reduce over the processes; whole numbers become fractions.

        Lightning divides what it has logged by the mean number of images, in whole numbers: of 5 and 4 that would be 4.
        """
        if isinstance(tensor, torch.Tensor) and not tensor.is_floating_point():
            tensor = tensor.double()
        return super().reduce(tensor, group, reduce_op)


@contextmanager
def joined(trainer: TrainerConfig) -> Iterator[World]:
    """Join the run's other processes, and leave them at the end; they can be joined again.

    Raises:
        UserError: The processes were not started as the configuration says, there are fewer devices than it says, or
            another process has ended.
    """
    world = world_of(trainer)
    rank_zero_only.rank = world.rank  # Lightning takes it from Slurm's variables, which count packed jobs too
    if world.size == 1:
        yield world
        return
    quiet_before = console.quiet
    console.quiet = console.quiet or not world.is_first
    try:
        _join(trainer, world)
        with _broken_connections_explained():
            yield world
            dist.barrier()
    except BaseException:
        # No word of farewell, which the others would not answer: they see the connections break.
        with suppress(Exception):
            dist.distributed_c10d._abort_process_group()
        raise
    finally:
        console.quiet = quiet_before
        if dist.is_initialized():
            dist.destroy_process_group()


def environment_of(world: World, trainer: TrainerConfig) -> ClusterEnvironment:
    """Return what tells Lightning of the processes: it never starts one itself."""
    if world.starter == "slurm":
        # Slurm says it only where it was typed; Lightning refuses several tasks without it.
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(trainer.devices))
        return SLURMEnvironment(auto_requeue=False)
    if world.starter == "torchrun":
        return TorchElasticEnvironment()
    return LightningEnvironment()


def present_world() -> World:
    """Return the processes that are joined; a process on its own where none are."""
    if dist.is_initialized():
        return _worlds[-1]
    return World()


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return not dist.is_initialized() or dist.get_rank() == 0


def processes() -> int:
    """Return how many processes are joined."""
    if dist.is_initialized():
        return dist.get_world_size()
    return 1


def first_decides(decide: Callable[[], T]) -> T:
    """Return, in every process, what ``decide`` gives in the first one, where alone it is called.

    Raises:
        Exception: What it raised there; a ``UserError`` is told by the first process alone.
    """
    if processes() == 1:
        return decide()
    if is_first():
        return _first_hands_on(*_tried(decide))
    return _first_hands_on()


def first_does(do: Callable[[], Any]) -> None:
    """Call ``do`` in the first process alone, while the others wait; what it raises ends all of them."""
    first_decides(lambda: (do(), None)[1])


def together(do: Callable[[], T]) -> T:
    """Return what ``do`` gives in this process, once it has ended well in all of them.

    Raises:
        Exception: What it raised here. Where it raised in several, the first of those tells; where it raised in others
            alone, a ``RepeatedError``.
    """
    if processes() == 1:
        return do()
    result, error = _tried(do)
    told = gather(None if error is None else f"process {dist.get_rank()}: {error}")
    failed = [rank for rank, line in enumerate(told) if line is not None]
    if not failed:
        return result  # type: ignore[return-value] - it has ended well
    if error is not None and failed[0] == dist.get_rank():
        raise error
    raise RepeatedError(told[failed[0]])


def first_before_others(do: Callable[[], T]) -> T:
    """As :func:`together`, but the first process is done before the others begin: they find what it has kept."""
    if not is_first():
        first_does(lambda: None)
        return together(do)
    result = None

    def remember() -> None:
        nonlocal result
        result = do()

    first_does(remember)
    return together(lambda: result)  # type: ignore[return-value] - it is done


def agreed(value: Any, what: str) -> None:
    """Check that a value is the same in all processes.

    Raises:
        UserError: It is not; ``what`` names it.
    """
    if any(other != value for other in gather(value)):
        way_out = "start all with the same command, on the same files"
        error = UserError(f"the processes of this run differ in {what}: {way_out}")
        raise error if is_first() else RepeatedError(error)


@contextmanager
def first_holds(make: Callable[[], AbstractContextManager]) -> Iterator[None]:
    """Hold a context in the first process alone, which decides for all whether it can be entered."""
    if is_first():
        held = make()
    else:
        held = nullcontext()
    first_does(held.__enter__)
    try:
        with _broken_connections_explained():
            yield
    except BaseException as error:
        if not held.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        held.__exit__(None, None, None)


def gather(value: Any) -> list[Any]:
    """Return the value of every process, in their order; it must be picklable."""
    values = [value] * processes()
    if processes() > 1:
        dist.all_gather_object(values, value)
    return values


def gather_to_first(value: Any) -> list[Any] | None:
    """Return the value of every process, in their order, in the first one; None in the others."""
    if processes() == 1:
        return [value]
    if is_first():
        values = [None] * processes()
    else:
        values = None
    dist.gather_object(value, values, 0)
    return values


def summed(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of the values over the processes; they stay on their device. No gradient passes through it."""
    if processes() > 1:
        values = values.detach().clone()
        dist.all_reduce(values)
    return values


def first_hands_out(tensors: dict[str, torch.Tensor]) -> None:
    """Put the first process's values into the tensors of all others; names and shapes are the same everywhere."""
    if processes() > 1:
        for tensor in tensors.values():
            dist.broadcast(tensor.data, 0)


def _join(trainer: TrainerConfig, world: World) -> None:
    environment = environment_of(world, trainer)
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    cuda = trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    if cuda:
        device = torch.device("cuda", world.local_rank)
    else:
        device = None
    if device is not None:
        if trainer.devices > torch.cuda.device_count():
            seen = f"each process sees {torch.cuda.device_count()} GPUs"
            # Slurm hides a node's other GPUs from a task that was given its own.
            way_out = f"under Slurm, ask with --gpus-per-node={trainer.devices}, not with --gpus-per-task"
            raise UserError(f"trainer.devices={trainer.devices}, but {seen}: {way_out}")
        torch.cuda.set_device(device)
    _worlds.append(world)
    # One store for the life of the process: a new one might meet the closing port of the one before.
    store = dist.PrefixStore(f"run-{len(_worlds)}", _store(world.rank, world.size))
    # Small things, and objects, go over gloo and wait for no device; gradients on GPUs go over NCCL.
    if cuda:
        backend = "cpu:gloo,cuda:nccl"
    else:
        backend = "gloo"
    with _broken_connections_explained():
        how = {"store": store, "rank": world.rank, "world_size": world.size, "timeout": PATIENCE, "device_id": device}
        dist.init_process_group(backend, **how)
        dist.barrier()


@cache
def _store(rank: int, size: int) -> dist.Store:
    """Where the processes first meet, at MASTER_ADDR and MASTER_PORT."""
    try:
        store, *_ = next(dist.rendezvous("env://", rank, size, timeout=UNTIL_JOINED))
    except (dist.DistError, ValueError) as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the {size} processes of this run did not meet at {place}: {reason}") from error
    return store


def _tried(do: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return do(), None
    except Exception as error:
        return None, error


def _first_hands_on(result: Any = None, error: Exception | None = None) -> Any:
    """Send result and error of the first process to all; raise the error in each."""
    sent = [(result, _sendable(error))]
    dist.broadcast_object_list(sent, 0)
    result, told = sent[0]
    if told is not None:
        raise error if error is not None else told
    return result


def _sendable(error: Exception | None) -> Exception | None:
    """The error as the other processes raise it: those of the user are told once."""
    if error is None:
        return None
    if not isinstance(error, UserError):
        with suppress(Exception):
            return pickle.loads(pickle.dumps(error))
    return RepeatedError(str(error))


@contextmanager
def _broken_connections_explained() -> Iterator[None]:
    """Say in one line that another process has gone; why, it says itself.

    It may have gone for a signal that reaches this process a little later: that is waited for.

    Raises:
        Preempted: The signal came.
        UserError: In place of what gloo or NCCL say.
    """
    try:
        yield
    except RuntimeError as error:  # torch's own errors of this kind are RuntimeErrors too
        reason = " ".join(str(error).split())
        if isinstance(error, dist.DistError) or "gloo" in reason:
            time.sleep(MOMENT)
            raise UserError(f"another process of this run has ended ({reason[:200]}): see what it says") from error
        raise
