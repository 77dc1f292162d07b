"""Measures of a run: time, sums over batches, and named stretches of time."""

from __future__ import annotations

import time
from typing import Any

import alight as torch


class Timer:
    """A stopwatch that remembers every stretch it measured; it starts when it is made.

    >>> from alight.lessons import Timer
    >>> timer = Timer()
    >>> timer.stop() >= 0
    True
    >>> len(timer.times)
    1
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin a stretch.

        >>> from alight import lessons as d2l
        >>> timer = d2l.Timer()
        >>> timer.start()
        >>> timer.stop() >= 0
        True
        """
        self.tik = time.perf_counter()

    def stop(self) -> float:
        """End the stretch; its seconds.

        >>> from alight import lessons as d2l
        >>> d2l.Timer().stop() >= 0
        True
        """
        self.times.append(time.perf_counter() - self.tik)
        return self.times[-1]

    def avg(self) -> float:
        """Mean of the stretches, in seconds.

        >>> from alight import lessons as d2l
        >>> timer = d2l.Timer()
        >>> timer.stop() == timer.avg()
        True
        """
        return sum(self.times) / len(self.times)

    def sum(self) -> float:
        """All stretches together, in seconds.

        >>> from alight import lessons as d2l
        >>> timer = d2l.Timer()
        >>> timer.stop() == timer.sum()
        True
        """
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Seconds up to the end of each stretch.

        >>> from alight import lessons as d2l
        >>> timer = d2l.Timer()
        >>> [timer.stop()] == timer.cumsum()
        True
        """
        sums, total = [], 0.0
        for stretch in self.times:
            total += stretch
            sums.append(total)
        return sums


class Accumulator:
    """`n` sums, added to side by side.

    >>> from alight.lessons import Accumulator
    >>> sums = Accumulator(2)
    >>> sums.add(1, 2.5)
    >>> sums.add(1, 2.5)
    >>> sums[0], sums[1]
    (2.0, 5.0)
    """

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: Any) -> None:
        """Add one number, or tensor of one element, to each sum.

        >>> from alight import lessons as d2l
        >>> sums = d2l.Accumulator(2)
        >>> sums.add(1, 2)
        >>> sums.add(3, 4)
        >>> sums[0], sums[1]
        (4.0, 6.0)
        """
        numbers = [float(arg.detach() if isinstance(arg, torch.Tensor) else arg) for arg in args]
        self.data = [total + more for total, more in zip(self.data, numbers, strict=True)]

    def reset(self) -> None:
        """Begin again at zero.

        >>> from alight import lessons as d2l
        >>> sums = d2l.Accumulator(1)
        >>> sums.add(1)
        >>> sums.reset()
        >>> sums[0]
        0.0
        """
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]


class Benchmark:
    """Prints how long the block inside `with` took.

    >>> from alight import lessons as d2l
    >>> with d2l.Benchmark("sum"):  # doctest: +ELLIPSIS
    ...     _ = sum(range(10))
    sum: ... sec
    """

    def __init__(self, description: str = "Done") -> None:
        self.description = description

    def __enter__(self) -> Benchmark:
        self.timer = Timer()
        return self

    def __exit__(self, *problem: Any) -> None:
        torch.record.lap()  # what the block has recorded belongs to its time
        print(f"{self.description}: {self.timer.stop():.4f} sec")
