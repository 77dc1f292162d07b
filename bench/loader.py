"""How long an epoch of shuffled batches takes, beside PyTorch's loader on the same tensors.

Run: python bench/loader.py. Prints milliseconds an epoch, best of five, batches of 256 over 60 000 28 x 28 images.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import alight
from alight.data import DataLoader, TensorDataset
from alight.vision import datasets, transforms

COUNT, BATCH, REPEATS = 60_000, 256, 5


def best(loader: Any) -> float:
    """Milliseconds of the fastest of a few epochs."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in loader:
            pass
        times.append(time.perf_counter() - started)
    return min(times) * 1e3


def main() -> None:
    """Print a line for each kind of data set."""
    draw = np.random.RandomState(0)
    bytes_ = draw.randint(0, 256, (COUNT, 28, 28)).astype(np.uint8)
    floats, labels = draw.rand(COUNT, 1, 28, 28).astype(np.float32), np.arange(COUNT) % 10
    tensors = TensorDataset(alight.from_numpy(floats), alight.from_numpy(labels))
    flips = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    resized = transforms.Compose([transforms.Resize(64), transforms.ToTensor()])
    rows: list[tuple[str, Callable[[], Any]]] = [
        ("float32 tensors", lambda: tensors),
        (
            "images, ToTensor",
            lambda: datasets.ArrayImages(bytes_, labels, transform=transforms.ToTensor()),
        ),
        ("images, flip, ToTensor", lambda: datasets.ArrayImages(bytes_, labels, transform=flips)),
        (
            "images, Resize, ToTensor",
            lambda: datasets.ArrayImages(bytes_, labels, transform=resized),
        ),
    ]
    for name, make in rows:
        for workers in (0, 4):
            loader = DataLoader(make(), BATCH, shuffle=True, num_workers=workers)
            print(f"alight   {name:26} {workers} workers {best(loader):8.1f} ms")
    try:
        import torch
        import torch.utils.data
    except ImportError:
        return
    rival = torch.utils.data.TensorDataset(torch.from_numpy(floats), torch.from_numpy(labels))
    rival_loader = torch.utils.data.DataLoader(rival, BATCH, shuffle=True)
    print(f"PyTorch  {'float32 tensors':26} 0 workers {best(rival_loader):8.1f} ms")


if __name__ == "__main__":
    main()
