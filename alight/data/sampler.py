"""Samplers: in which order a dataset's indices are visited.

In: a dataset's size, and a generator. Out: indices one by one, or in batches.
The draws are PyTorch's, number for number: a shuffled epoch takes one 64-bit seed from the default generator and
its permutation from a fresh generator of that seed; a generator given by the user is drawn from directly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

import alight
from alight.backends.interpreter import distributions
from alight.errors import fail

T_co = TypeVar("T_co", covariant=True)
Array = np.ndarray[Any, Any]

REPLACEMENT_CHUNK = 32  # indices that PyTorch's RandomSampler draws at a time with replacement


def engine_of(generator: Any) -> Any:
    """The random engine of `generator`, or of the default generator."""
    return (alight.random.default_generator if generator is None else generator).engine


def draw_seed(engine: Any) -> int:
    """What PyTorch's `torch.empty((), dtype=torch.int64).random_().item()` takes from the stream."""
    return int(engine.double_words(1)[0]) % 2**63


class Sampler(Generic[T_co]):
    """The order of one epoch; subclasses define `__iter__`, and `__len__` where it is known.

    >>> import alight as torch
    >>> class Backwards(torch.utils.data.Sampler):
    ...     def __init__(self, data):
    ...         self.data = data
    ...     def __iter__(self):
    ...         return iter(range(len(self.data))[::-1])
    >>> data = [10, 20, 30]
    >>> list(torch.utils.data.DataLoader(data, batch_size=2, sampler=Backwards(data)))
    [tensor([30, 20]), tensor([10])]
    """

    def __init__(self, data_source: Any = None) -> None:
        pass

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class ArraySampler(Sampler[int]):
    """A sampler whose order comes in arrays: `chunks` yields them, each drawn only when it is reached."""

    def chunks(self) -> Iterator[Array]:
        """The epoch's indices, in order, as a few integer arrays."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        for chunk in self.chunks():
            yield from chunk.tolist()


def comes_in_arrays(sampler: Any) -> bool:
    """Whether `sampler.chunks()` says the same as `iter(sampler)`; a subclass may have changed the latter."""
    return isinstance(sampler, ArraySampler) and type(sampler).__iter__ is ArraySampler.__iter__


class SequentialSampler(ArraySampler):
    """Every index once, from 0 up.

    >>> import alight as torch
    >>> list(torch.utils.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def chunks(self) -> Iterator[Array]:
        yield np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(ArraySampler):
    """Every index once in random order, or `num_samples` random indices.

    With `replacement` an index may come again. ValueError where num_samples is no positive int.

    >>> import alight as torch
    >>> sorted(torch.utils.data.RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            fail(
                TypeError,
                f"replacement should be a boolean value, but got replacement={replacement}",
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            fail(
                ValueError,
                f"num_samples should be a positive integer value, but got num_samples={self.num_samples}",
                ["the dataset is empty"] if num_samples is None else [],
            )

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has; the dataset's present size unless it was given."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def chunks(self) -> Iterator[Array]:
        size, count = len(self.data_source), self.num_samples
        if self.generator is None:
            seed = draw_seed(engine_of(None))
            engine = alight.Generator().manual_seed(seed).engine
        else:
            engine = self.generator.engine
        if self.replacement:
            for start in range(0, count, REPLACEMENT_CHUNK):
                chunk = min(REPLACEMENT_CHUNK, count - start)
                yield distributions.integers(engine, chunk, 0, size)
            return
        for _ in range(count // size):
            yield distributions.permutation(engine, size)
        # PyTorch draws this one also when nothing of it is used.
        yield distributions.permutation(engine, size)[: count % size]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices, each once, in random order.

    >>> import alight as torch
    >>> sorted(torch.utils.data.SubsetRandomSampler([4, 2]))
    [2, 4]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = distributions.permutation(engine_of(self.generator), len(self.indices))
        for position in order.tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices, each drawn with a probability in proportion to its weight.

    Without replacement no index comes twice. ValueError where num_samples is no positive int.

    >>> import alight as torch
    >>> list(torch.utils.data.WeightedRandomSampler([0.0, 1.0], num_samples=3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            sentence = (
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
            fail(ValueError, sentence)
        if not isinstance(replacement, bool):
            fail(
                ValueError,
                f"replacement should be a boolean value, but got replacement={replacement}",
            )
        self.weights = alight.as_tensor(weights, dtype=alight.float64)
        if self.weights.ndim != 1:
            shape = tuple(self.weights.shape)
            fail(
                ValueError, f"weights should be a 1d sequence but given weights have shape {shape}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = alight.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler, `batch_size` at a time.

    drop_last leaves out a last batch that is smaller. ValueError where batch_size is no
    positive int or drop_last no bool.

    >>> import alight as torch
    >>> list(torch.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            sentence = (
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
            fail(ValueError, sentence, try_="batch_size=1")
        if not isinstance(drop_last, bool):
            fail(ValueError, f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def index_arrays(batch_sampler: Any) -> Iterator[Array]:
    """The index batches of `batch_sampler` as arrays, without a Python integer for each index if possible."""
    cuts_arrays = type(batch_sampler) is BatchSampler and comes_in_arrays(batch_sampler.sampler)
    if not cuts_arrays:
        for indices in batch_sampler:
            yield np.asarray(indices, np.int64)
        return
    size = batch_sampler.batch_size
    rest = np.empty(0, np.int64)
    for chunk in batch_sampler.sampler.chunks():
        chunk = np.concatenate([rest, chunk]) if len(rest) else chunk
        whole = len(chunk) // size * size
        for start in range(0, whole, size):
            yield chunk[start : start + size]
        rest = chunk[whole:]
    if len(rest) and not batch_sampler.drop_last:
        yield rest
