"""Datasets: where samples come from.

In: tensors, other datasets, or a user's own class. Out: samples by index, or in a row.
A dataset whose samples lie in arrays also has `__arrays__`: it returns an `ArrayAccess` from an array of indices to
the collated batch as fresh NumPy arrays, or None. The invariant: that batch equals `default_collate` of the
samples one by one, and draws the same random numbers.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from alight.backends.interpreter import distributions
from alight.data import sampler
from alight.errors import fail

T_co = TypeVar("T_co", covariant=True)
Array = np.ndarray[Any, Any]


class ArrayAccess(NamedTuple):
    """From an array of indices to a collated batch of arrays, in two parts.

    `begin(indices)` looks at the data and draws the random numbers, in order; what it returns does the work, and may
    be called in another thread. Where `is_slow`, so many microseconds go into a sample that a thread pays.
    """

    begin: Callable[[Array], Callable[[], Any]]
    is_slow: bool = False

    def __call__(self, indices: Array) -> Any:
        return self.begin(indices)()


class Dataset(Generic[T_co]):
    """Samples by index; subclasses define `__getitem__` and usually `__len__`.

    `a + b` is one after the other. NotImplementedError where __getitem__ is missing.

    >>> import alight as torch
    >>> class Squares(torch.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> list(torch.utils.data.DataLoader(Squares(), batch_size=2))
    [[tensor([0, 1]), tensor([0, 1])], [tensor([2, 3]), tensor([4, 9])]]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples in a row; subclasses define `__iter__`, for streams that have no indices.

    With workers each goes through all samples: get_worker_info() tells __iter__ which part is
    its own. A loader of it takes no sampler and no shuffle (ValueError).

    >>> import alight as torch
    >>> class Count(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(5))
    >>> list(torch.utils.data.DataLoader(Count(), batch_size=2))
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset[Any]) -> ChainDataset[Any]:  # type: ignore[override]
        return ChainDataset([self, other])


def array_access(dataset: Any) -> ArrayAccess | None:
    """The whole-array access of `dataset`, or None where only its samples, one by one, are sure.

    A subclass that overrides `__getitem__` or `__getitems__` alone is no longer described by its base's arrays.
    """
    for cls in type(dataset).__mro__:
        if "__arrays__" in vars(cls):
            return dataset.__arrays__()
        if "__getitem__" in vars(cls) or "__getitems__" in vars(cls):
            return None
    return None


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Samples that are the rows of one or more tensors, (n, *) each; AssertionError where n
    differs.

    >>> import alight as torch
    >>> x, y = torch.arange(6.).reshape(3, 2), torch.tensor([0, 1, 0])
    >>> dataset = torch.utils.data.TensorDataset(x, y)
    >>> len(dataset), dataset[1]
    (3, (tensor([2., 3.]), tensor(1)))
    """

    def __init__(self, *tensors: Any) -> None:
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            sizes = ", ".join(str(tensor.shape[0]) for tensor in tensors)
            fail(
                AssertionError,
                "Size mismatch between tensors",
                [f"their first sizes are {sizes}"],
                "tensors with one row for each example",
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def __arrays__(self) -> ArrayAccess | None:
        plain = all(t.device.type == "cpu" and not t.requires_grad for t in self.tensors)
        if not plain:
            return None

        def begin(index: Array) -> Callable[[], Any]:
            # numpy() is asked for at every batch, so that writes between two batches are seen.
            arrays = [tensor.numpy() for tensor in self.tensors]
            return lambda: tuple(array.take(index, axis=0) for array in arrays)

        return ArrayAccess(begin)


class StackDataset(Dataset[Any]):
    """Samples put together from several datasets: a tuple, or a dict for datasets given by name.

    ValueError for none, or for both kinds, or where the lengths differ.

    >>> import alight as torch
    >>> torch.utils.data.StackDataset(image=[1, 2], label=[3, 4])[0]
    {'image': 1, 'label': 3}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            fail(
                ValueError,
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like input/output, "
                "but both types are given.",
            )
        if not args and not kwargs:
            fail(ValueError, "At least one dataset should be passed")
        self.datasets: Any = kwargs or args
        self._length = len(self._members()[0])
        if any(len(dataset) != self._length for dataset in self._members()):
            fail(ValueError, "Size mismatch between datasets")

    def _members(self) -> list[Any]:
        named = isinstance(self.datasets, dict)
        return list(self.datasets.values() if named else self.datasets)

    def _sample(self, parts: Iterable[Any]) -> Any:
        named = isinstance(self.datasets, dict)
        return dict(zip(self.datasets, parts, strict=True)) if named else tuple(parts)

    def __getitem__(self, index: Any) -> Any:
        return self._sample(dataset[index] for dataset in self._members())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = []
        for dataset in self._members():
            whole = getattr(dataset, "__getitems__", None)
            column = whole(indices) if callable(whole) else [dataset[i] for i in indices]
            if len(column) != len(indices):
                fail(
                    ValueError,
                    f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(column)}",
                )
            columns.append(column)
        return [self._sample(parts) for parts in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`, in their order; indices may repeat.

    >>> import alight as torch
    >>> list(torch.utils.data.Subset("abcd", [2, 0]))
    ['c', 'a']
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        chosen = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(chosen)  # type: ignore[attr-defined]
        return [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)

    def __arrays__(self) -> ArrayAccess | None:
        access = array_access(self.dataset)
        if access is None:
            return None
        chosen = np.asarray(self.indices)
        if chosen.ndim != 1 or chosen.dtype.kind != "i":
            return None
        return ArrayAccess(lambda index: access.begin(chosen[index]), access.is_slow)


class ConcatDataset(Dataset[T_co]):
    """Several datasets one after the other. AssertionError for none, or for iterable ones.

    >>> import alight as torch
    >>> torch.utils.data.ConcatDataset([[1, 2], [3]])[2]
    3
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            fail(AssertionError, "datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            fail(
                AssertionError,
                "ConcatDataset does not support IterableDataset",
                try_="ChainDataset",
            )
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        position = index + len(self) if index < 0 else index
        if position < 0:
            fail(ValueError, "absolute value of index should not exceed dataset length")
        part = bisect.bisect_right(self.cumulative_sizes, position)
        start = self.cumulative_sizes[part - 1] if part else 0
        return self.datasets[part][position - start]

    def __arrays__(self) -> ArrayAccess | None:
        parts = [array_access(dataset) for dataset in self.datasets]
        if any(part is None for part in parts):
            return None
        nothing = np.empty(0, np.int64)
        forms = {_form(part(nothing)) for part in parts if part is not None}
        if len(forms) > 1:
            return None
        starts = np.array([0, *self.cumulative_sizes[:-1]])

        def begin(index: Array) -> Callable[[], Any]:
            of = np.searchsorted(self.cumulative_sizes, index, side="right")
            # A piece for each run of samples from one part, so that random numbers are drawn in the samples' order.
            of = of if len(of) else np.zeros(1, np.int64)
            cuts = np.flatnonzero(np.diff(of)) + 1
            pieces = [
                parts[part[0]].begin(here - starts[part[0]])  # type: ignore[union-attr]
                for here, part in zip(np.split(index, cuts), np.split(of, cuts), strict=True)
            ]
            return lambda: _joined([piece() for piece in pieces])

        return ArrayAccess(begin, any(part.is_slow for part in parts if part is not None))


def _form(batch: Any) -> Any:
    """The structure of a batch: dtypes, and shapes of samples."""
    if isinstance(batch, np.ndarray):
        return batch.dtype, batch.shape[1:]
    return tuple(map(_form, batch))


def _joined(batches: list[Any]) -> Any:
    """Batches of one form, one after the other."""
    if isinstance(batches[0], np.ndarray):
        return np.concatenate(batches) if len(batches) > 1 else batches[0]
    return tuple(_joined(list(members)) for members in zip(*batches, strict=True))


class ChainDataset(IterableDataset[T_co]):
    """Several iterable datasets one after the other.

    >>> import alight as torch
    >>> class Count(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(2))
    >>> list(torch.utils.data.ChainDataset([Count(), Count()]))
    [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                fail(
                    AssertionError,
                    "ChainDataset only supports IterableDataset",
                    try_="ConcatDataset",
                )
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)  # type: ignore[arg-type]


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[T_co]]:
    """Cut `dataset` at random into parts of these lengths, or of these fractions when they add up
    to 1.

    A list of Subsets; ValueError where lengths do not add up to the dataset's.

    >>> import alight as torch
    >>> parts = torch.utils.data.random_split(range(10), [0.7, 0.3])
    >>> [len(part) for part in parts]
    [7, 3]
    """
    total = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _whole_lengths(total, lengths)
    if sum(lengths) != total:
        sentence = "Sum of input lengths does not equal the length of the input dataset!"
        fail(
            ValueError,
            sentence,
            [f"the lengths add up to {sum(lengths)}, the dataset has {total}"],
            "shares that add up to 1: [0.8, 0.2]",
        )
    order = distributions.permutation(sampler.engine_of(generator), total).tolist()
    ends = itertools.accumulate(int(length) for length in lengths)
    return [
        Subset(dataset, order[end - int(n) : end]) for end, n in zip(ends, lengths, strict=True)
    ]


def _whole_lengths(total: int, fractions: Sequence[float]) -> list[int]:
    """Fractions of `total` rounded down, what is left over handed out from the first part on."""
    for position, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            fail(ValueError, f"Fraction at index {position} is not between 0 and 1")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for extra in range(total - sum(lengths)):
        lengths[extra % len(lengths)] += 1
    for position, length in enumerate(lengths):
        if length == 0:
            text = (
                f"Length of split at index {position} is 0. This might result in an empty dataset."
            )
            warnings.warn(text, stacklevel=3)
    return lengths
