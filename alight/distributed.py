"""torch.distributed where processes do not work together: what scripts ask before they decide how to run."""

from __future__ import annotations

from typing import Any, NoReturn

from alight.errors import fail, not_implemented
from alight.offered import listing


class ReduceOp:
    """Names of reductions.

    >>> import alight as torch
    >>> torch.distributed.ReduceOp.SUM
    'SUM'
    """

    SUM, AVG, PRODUCT, MIN, MAX = "SUM", "AVG", "PRODUCT", "MIN", "MAX"
    BAND, BOR, BXOR = "BAND", "BOR", "BXOR"


class group:  # noqa: N801
    """The group of all processes.

    >>> import alight as torch
    >>> torch.distributed.group.WORLD is None
    True
    """

    WORLD: Any = None


ProcessGroup = group


def is_available() -> bool:
    """Whether processes can work together: not yet.

    >>> import alight as torch
    >>> torch.distributed.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """Whether init_process_group was called.

    >>> import alight as torch
    >>> torch.distributed.is_initialized()
    False
    """
    return False


is_nccl_available = is_gloo_available = is_mpi_available = is_torchelastic_launched = is_available


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """Not there yet.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.init_process_group('gloo')
    ... except NotImplementedError as error:
    ...     print('no group')
    no group
    """
    not_implemented("torch.distributed", "one process; torch.distributed.is_available() says so")


def destroy_process_group(group: Any = None) -> None:
    """Nothing to end.

    >>> import alight as torch
    >>> torch.distributed.destroy_process_group()
    """


def _not_initialized() -> NoReturn:
    fail(
        ValueError,
        "Default process group has not been initialized, please make sure to call init_process_group.",
        facts=["torch.distributed.is_available() is False"],
        try_="if torch.distributed.is_initialized():",
    )


def get_rank(group: Any = None) -> int:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.get_rank()
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def get_world_size(group: Any = None) -> int:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.get_world_size()
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def get_backend(group: Any = None) -> str:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.get_backend()
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def barrier(*args: Any, **kwargs: Any) -> None:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.barrier()
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def all_reduce(
    tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.all_reduce(torch.ones(1))
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def broadcast(tensor: Any, src: int = 0, group: Any = None, async_op: bool = False) -> Any:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.broadcast(torch.ones(1))
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def reduce(
    tensor: Any, dst: int = 0, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.reduce(torch.ones(1))
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def all_gather(tensor_list: Any, tensor: Any, group: Any = None, async_op: bool = False) -> Any:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.all_gather([], torch.ones(1))
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def all_gather_object(object_list: Any, obj: Any, group: Any = None) -> None:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.all_gather_object([], 1)
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def broadcast_object_list(
    object_list: Any, src: int = 0, group: Any = None, device: Any = None
) -> None:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.broadcast_object_list([1])
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


def new_group(*args: Any, **kwargs: Any) -> Any:
    """PyTorch's error: there is no group.

    Errors: ValueError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.distributed.new_group()
    ... except ValueError as error:
    ...     print('no group')
    no group
    """
    _not_initialized()


__dir__ = listing(globals())
