"""The ranks of a run: how they join, what they exchange, and how an error on one of them ends all.

Slurm or torchrun starts the processes. With a single process all functions return its own values.

If a process dies, its connections break. On CPUs (gloo) the other ranks notice at once and end. On GPUs (NCCL) they may
wait until ``srun --kill-on-bad-exit`` or torchrun, which watch the processes, end them.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_only
from torch.distributed import (  # type: ignore[attr-defined]  # public, but not listed by torch
    PrefixStore,
    Store,
    rendezvous,
)

from karyocyte.common.cli import console
from karyocyte.common.errors import RepeatedError, UserError
from karyocyte.config.distributed import World, world_of
from karyocyte.config.schema import TrainerConfig
from lightning_modules.support.compat import abort_process_group

T = TypeVar("T")
P = ParamSpec("P")

COLLECTIVE_TIMEOUT = timedelta(hours=6)  # one rank of a node prepares the images while the others wait
RENDEZVOUS_TIMEOUT = timedelta(minutes=10)  # a node may still boot, or a process may have failed before it could join
SIGNAL_DELAY = 2.0  # seconds between the moments at which a signal to all processes reaches the nodes

_worlds: list[World] = []  # of the process groups that this process has joined, in their order


class UnevenDDPStrategy(DDPStrategy):
    """Lightning's DDP for ranks that may have different numbers of images and of batches."""

    def __init__(self) -> None:
        # In a validation, some ranks would wait for others that have no batch left: BatchNormSync keeps buffers equal.
        super().__init__(broadcast_buffers=False)

    def reduce(self, tensor: Any, group: Any | None = None, reduce_op: Any = "mean") -> Any:
        """Reduce over the ranks; integers become fractions: Lightning takes the mean of 5 and 4 images for 4."""
        if isinstance(tensor, torch.Tensor) and not tensor.is_floating_point():
            tensor = tensor.double()
        return super().reduce(tensor, group, reduce_op)


@contextmanager
def process_group(trainer: TrainerConfig) -> Iterator[World]:
    """Join the other processes of the run for the length of the block; they can be joined again afterwards.

    Raises:
        UserError: They were not started as the configuration says, there are too few devices, or one has ended.
    """
    world = world_of(trainer)
    # Lightning would read Slurm's variables, also where the run is one process.
    rank_zero_only.rank = world.rank  # type: ignore[attr-defined]  # an attribute of a function
    if world.size == 1:
        yield world
        return
    quiet_before = console.quiet
    console.quiet = console.quiet or not world.is_first
    try:
        _join(trainer, world)
        with _explain_broken_connections():
            yield world
            dist.barrier()
    except BaseException:
        # A graceful shutdown would wait for the other ranks, which see the connections break.
        with suppress(Exception):
            abort_process_group()
        raise
    finally:
        console.quiet = quiet_before
        if dist.is_initialized():
            dist.destroy_process_group()


def current_world() -> World:
    """Return the joined processes, or a world of one where none are joined."""
    return _worlds[-1] if dist.is_initialized() else World()


def cluster_environment(world: World, trainer: TrainerConfig) -> ClusterEnvironment:
    """Return Lightning's description of the processes; it never starts one itself."""
    if world.starter == "slurm":
        # Set by Slurm only where the option was typed; Lightning refuses several tasks without it.
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(trainer.devices))
        return SLURMEnvironment(auto_requeue=False)
    if world.starter == "torchrun":
        return TorchElasticEnvironment()
    return LightningEnvironment()


def gather(value: T) -> list[T]:
    """Return the values of all ranks, in their order, on every rank; they must be picklable."""
    values = [value] * current_world().size
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values


def all_reduce(values: torch.Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> torch.Tensor:
    """Return the sum, or what ``operation`` gives, of the values over the ranks; no gradient passes through it."""
    if current_world().size > 1:
        values = values.detach().clone()
        dist.all_reduce(values, operation)
    return values


def broadcast_tensors(tensors: dict[str, torch.Tensor]) -> None:
    """Copy the values of rank zero into the tensors of the other ranks."""
    if current_world().size > 1:
        for tensor in tensors.values():
            dist.broadcast(tensor.data, 0)


@contextmanager
def raised_on_all_ranks() -> Iterator[None]:
    """Run the block on every rank; an error on one of them is raised on all at its end.

    It is the error of this rank if it is the first that failed, otherwise a ``RepeatedError``, which is not printed
    again.
    """
    world = current_world()
    if world.size == 1:
        yield
        return
    error: Exception | None = None
    try:
        yield
    except Exception as raised:
        error = raised
    message = ""
    if error is not None:
        message = str(error) or type(error).__name__
        if not world.is_first:
            message = f"process {world.rank}: {message}"
    messages = gather(message)
    if error is not None and not any(messages[: world.rank]):
        raise error
    for first in filter(None, messages):
        raise RepeatedError(first)


def on_rank_zero(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function on rank zero alone and return its result on every rank; its error is raised on every rank."""
    world = current_world()
    if world.size == 1:
        return function(*args, **kwargs)
    results: list[Any] = [None]
    with raised_on_all_ranks():
        if world.is_first:
            results = [function(*args, **kwargs)]
    dist.broadcast_object_list(results, 0)
    return cast(T, results[0])


@contextmanager
def rank_zero_first() -> Iterator[None]:
    """Run the block on rank zero before the other ranks, which find what it has cached; errors are joint."""
    for turn_of_first in (True, False):
        with raised_on_all_ranks():
            if current_world().is_first is turn_of_first:
                yield


@contextmanager
def rank_zero_context(context: AbstractContextManager[Any]) -> Iterator[None]:
    """Hold a context on rank zero for the length of the block; if it cannot be entered, all ranks fail."""
    with ExitStack() as stack:
        on_rank_zero(stack.enter_context, context)
        with _explain_broken_connections():
            yield


def check_equal(value: Any, description: str) -> None:
    """Refuse a picklable value that is not the same on all ranks; the error holds the description."""
    values = gather(value)
    with raised_on_all_ranks():
        if values != values[:1] * len(values):
            remedy = "start all with the same command, on the same files"
            raise UserError(f"the processes of this run differ in {description}: {remedy}")


def _join(trainer: TrainerConfig, world: World) -> None:
    environment = cluster_environment(world, trainer)
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    # Objects and small tensors go over gloo and wait for no device; gradients on GPUs go over NCCL.
    backend = "gloo"
    device = None
    if trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        if trainer.devices > torch.cuda.device_count():
            # Slurm hides the other GPUs of a node from a task that was given its own.
            remedy = f"under Slurm, ask with --gpus-per-node={trainer.devices}, not with --gpus-per-task"
            raise UserError(f"trainer.devices={trainer.devices}, but each process sees fewer GPUs: {remedy}")
        backend = "cpu:gloo,cuda:nccl"
        device = torch.device("cuda", world.local_rank)
        torch.cuda.set_device(device)
    _worlds.append(world)
    # One store for the life of the process: a new one might meet the closing port of the one before.
    store = PrefixStore(f"run-{len(_worlds)}", _store(world.rank, world.size))
    with _explain_broken_connections():
        dist.init_process_group(
            backend, timeout=COLLECTIVE_TIMEOUT, world_size=world.size, rank=world.rank, store=store, device_id=device
        )
        dist.barrier()


@cache
def _store(rank: int, size: int) -> Store:
    """Return the store at MASTER_ADDR and MASTER_PORT where the processes meet first."""
    try:
        store: Store = next(rendezvous("env://", rank, size, timeout=RENDEZVOUS_TIMEOUT))[0]
    except (dist.DistError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the {size} processes of this run did not meet at {address}: {reason}") from error
    return store


@contextmanager
def _explain_broken_connections() -> Iterator[None]:
    """Replace the errors of gloo and NCCL after the end of another process by one line.

    It may have ended because of a signal that reaches this one a little later: that is waited for (`Preempted`).
    """
    try:
        yield
    except RuntimeError as error:  # the errors of torch.distributed are RuntimeErrors too
        reason = " ".join(str(error).split())
        if isinstance(error, dist.DistError) or "gloo" in reason:
            time.sleep(SIGNAL_DELAY)
            raise UserError(f"another process of this run has ended ({reason[:200]}): see what it says") from error
        raise
