"""torch.nn.parallel: wrappers that spread a module over devices; with one device they call the module."""

from __future__ import annotations

from typing import Any

from alight.errors import fail
from alight.nn.module import Module


class DataParallel(Module):
    """`module` itself under the name `module`: there is one device to spread the batch over.

    >>> import alight as torch
    >>> list(torch.nn.DataParallel(torch.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module on the whole batch."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0, module_kwargs: Any = None
) -> Any:  # fmt: skip
    """module(inputs), on the whole batch: there is one device to spread it over.

    >>> import alight as torch
    >>> torch.nn.parallel.data_parallel(torch.nn.Identity(), torch.ones(2))
    tensor([1., 1.])
    """
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*given, **(module_kwargs or {}))


class DistributedDataParallel(Module):
    """Needs a process group, and alight has none yet."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        fail(
            ValueError,
            "Default process group has not been initialized, please make sure to call init_process_group.",
            facts=["alight trains in one process"],
            try_="the module itself",
        )


__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]
