"""One process's share of a dataset: `torch.utils.data.distributed`.

In: a dataset, the number of processes and this one's rank. Out: its indices for an epoch; all shares have one length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

import alight
from alight.data.sampler import Sampler
from alight.errors import fail


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index from `rank` on, of an order that all processes draw alike.

    With drop_last=False indices from the front fill the last round. ValueError where rank is
    outside.

    >>> import alight as torch
    >>> from alight.utils.data.distributed import DistributedSampler
    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            fail(
                RuntimeError,
                "Requires distributed package to be available",
                try_="num_replicas=1, rank=0",
            )
        if rank >= num_replicas or rank < 0:
            fail(
                ValueError,
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]",
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        if drop_last and count % num_replicas:
            self.num_samples = math.ceil((count - num_replicas) / num_replicas)
        else:
            self.num_samples = math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = alight.Generator().manual_seed(self.seed + self.epoch)
            indices: list[Any] = alight.randperm(count, generator=generator).tolist()
        else:
            indices = list(range(count))
        if not self.drop_last:
            while len(indices) < self.total_size:  # the first ones once more
                indices += indices[: self.total_size - len(indices)]
        return iter(indices[: self.total_size][self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """The number of the epoch to come, on which its order depends: without it all epochs have the
        same.

        >>> import alight as torch
        >>> from alight.utils.data.distributed import DistributedSampler
        >>> sampler = DistributedSampler(range(4), num_replicas=2, rank=0)
        >>> sampler.set_epoch(3)
        >>> sampler.epoch
        3
        """
        self.epoch = epoch
