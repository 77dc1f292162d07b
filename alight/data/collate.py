"""Collation: from a list of samples to one batch.

In: samples of equal structure: tensors, arrays, numbers, strings, or containers of these.
Out: the same structure with a first dimension for the batch, as PyTorch's `default_collate` makes it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import alight
from alight.errors import fail

Array = np.ndarray[Any, Any]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples into a batch: numbers and tensors become tensors with a first dimension more.

    Tuples, lists, mappings and named tuples are collated member by member, texts are left as a
    list. RuntimeError where shapes or lengths differ, TypeError for what cannot be stacked.

    >>> import alight as torch
    >>> torch.utils.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    >>> torch.utils.data.default_collate([{"x": torch.zeros(2)}, {"x": torch.ones(2)}])
    {'x': tensor([[0., 0.],
            [1., 1.]])}
    """
    first = batch[0]
    if isinstance(first, alight.Tensor):
        return _stack(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, np.ndarray | np.generic):
        return _from_arrays(batch)
    if isinstance(first, float):
        return alight.as_tensor(batch, dtype=alight.float64)
    if isinstance(first, int):
        return alight.as_tensor(batch)
    if isinstance(first, Mapping):
        members = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _like(first, members)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*map(default_collate, zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            fail(RuntimeError, "each element in list of batch should be of equal size")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        # PyTorch returns a list for tuples, and the container's own type for other sequences.
        return columns if isinstance(first, tuple) else _like(first, columns)
    fail(
        TypeError,
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first)}",
        try_="a collate_fn of your own in DataLoader",
    )


def default_convert(data: Any) -> Any:
    """Arrays to tensors, inside containers too; everything else as it is.

    >>> import numpy as np
    >>> import alight as torch
    >>> torch.utils.data.default_convert({"x": np.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else alight.as_tensor(data)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [default_convert(value) for value in data])
    return data


def from_arrays(batch: Any) -> Any:
    """A batch made of fresh arrays, as `default_collate` would hand it out: tensors, and lists for tuples."""
    if isinstance(batch, np.ndarray):
        return alight.from_numpy(batch)
    return [from_arrays(member) for member in batch]


def _stack(tensors: Sequence[Any]) -> Any:
    """One tensor from many; through NumPy where no gradient flows, since that records nothing."""
    for i, one in enumerate(tensors):
        if one.shape != tensors[0].shape:
            fail(
                RuntimeError,
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(one.shape)} at entry {i}",
                facts=["the samples of a batch differ in shape"],
                try_="resizing or padding them; a collate_fn that calls nn.utils.rnn.pad_sequence",
            )
    plain = all(t.device.type == "cpu" and not t.requires_grad for t in tensors)
    same = plain and all(t.dtype == tensors[0].dtype for t in tensors)
    if not same:
        return alight.stack(list(tensors), 0)
    try:
        arrays = [tensor.numpy() for tensor in tensors]
    except TypeError:  # a dtype that NumPy does not have
        return alight.stack(list(tensors), 0)
    return alight.from_numpy(np.stack(arrays))


def _from_arrays(arrays: Sequence[Any]) -> Any:
    """One tensor from many arrays or NumPy scalars."""
    if arrays[0].dtype.kind in "SUO":
        sentence = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        fail(TypeError, sentence + str(arrays[0].dtype))
    if any(np.shape(array) != np.shape(arrays[0]) for array in arrays):
        return _stack([alight.as_tensor(array) for array in arrays])
    return alight.from_numpy(np.stack(arrays))


def _like(example: Any, members: Any) -> Any:
    """`members` in a container of `example`'s type, or in a plain one where that type cannot be filled."""
    try:
        if isinstance(example, MutableMapping):
            filled = copy.copy(example)
            filled.update(members)
            return filled
        if isinstance(example, MutableSequence):
            filled_list = copy.copy(example)
            for position, member in enumerate(members):
                filled_list[position] = member
            return filled_list
        build: Callable[[Any], Any] = type(example)
        return build(members)
    except TypeError:
        return members
