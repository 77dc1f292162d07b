"""The rows of `alight bench steps`: each file is an ordinary PyTorch program that makes a function `step`.

May live here: sources in which `torch`, `nn` and `F` are the library under test, so that one source runs under each;
`jax_rows` has the same steps written for JAX, since it has another API. `ROWS` names the file of each row and the
numbers that it is made with.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One row: its source, what is filled into it, and the floating-point operations of a step."""

    file: str
    settings: dict[str, object]
    flops: float  # of the products and convolutions in one step; 0 where it is not worth counting


def _mlp(sizes: list[int], batch: int) -> float:
    products = [a * b for a, b in itertools.pairwise(sizes)]
    return 2 * batch * (3 * sum(products) - products[0])


ROWS: dict[str, Row] = {
    "linreg": Row("mlp", {"sizes": [2, 1], "batch": 10, "loss": "mse", "optimizer": "sgd"}, 0),
    "tiny": Row("mlp", {"sizes": [4, 64, 64, 1], "batch": 32, "loss": "mse", "optimizer": "sgd"}, 0),
    "tiny-adam": Row("mlp", {"sizes": [4, 64, 64, 1], "batch": 32, "loss": "mse", "optimizer": "adam"}, 0),
    "softmax": Row("mlp", {"sizes": [784, 10], "batch": 256, "optimizer": "sgd"}, _mlp([784, 10], 256)),
    "mlp": Row("mlp", {"sizes": [784, 256, 10], "batch": 256, "optimizer": "sgd"}, _mlp([784, 256, 10], 256)),
    "mlp-dropout": Row(
        "mlp", {"sizes": [784, 256, 256, 10], "batch": 256, "optimizer": "sgd", "dropout": [0.2, 0.5]},
        _mlp([784, 256, 256, 10], 256),
    ),
    "mlp-accuracy": Row(
        "mlp", {"sizes": [784, 256, 10], "batch": 256, "optimizer": "sgd", "accuracy": True}, _mlp([784, 256, 10], 256)
    ),
    "lenet": Row("lenet", {"batch": 256}, 0.83e6 * 3 * 256),
    "convnet": Row("convnet", {"batch": 256}, 3.85e6 * 3 * 256),
    "conv-bn": Row("conv_bn", {"batch": 32, "channels": 64, "size": 16}, 2 * 3 * 4 * 32 * 256 * 64 * 64 * 9),
    "rnn": Row("recurrent", {"cell": "RNN"}, 3 * 2 * 35 * 32 * 2 * 256 * 256),
    "gru": Row("recurrent", {"cell": "GRU"}, 3 * 3 * 2 * 35 * 32 * 2 * 256 * 256),
    "lstm": Row("recurrent", {"cell": "LSTM"}, 4 * 3 * 2 * 35 * 32 * 2 * 256 * 256),
    "rnn-scratch": Row("rnn_scratch", {"hidden": 64, "steps": 20}, 0),
    "gpt": Row("gpt", {"layers": 4, "width": 128, "heads": 4, "batch": 16, "length": 64}, 6 * 0.83e6 * 1024),
    "resnet18": Row("resnet", {"batch": 32, "train": True}, 3 * 2 * 0.56e9 * 32),
    "encoder": Row("encoder", {"width": 256, "length": 128, "batch": 8}, 0),
    "vae": Row("vae", {"batch": 128}, 0),
    "unet": Row("unet", {"batch": 4, "size": 64}, 0),
    "infer-lenet": Row("lenet", {"batch": 1, "train": False}, 0),
    "infer-resnet18": Row("resnet", {"batch": 1, "train": False}, 2 * 0.56e9),
    "infer-gpt": Row("gpt", {"layers": 4, "width": 128, "heads": 4, "batch": 1, "length": 64, "generate": True}, 0),
}  # fmt: skip


def made(row: str, torch: Any, compiled: Any, settings: dict[str, object]) -> Callable[[], Any]:
    """The step of a row under a library with PyTorch's API."""
    path = Path(__file__).parent / f"{ROWS[row].file}.py"
    scope = {"__name__": row, "torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    exec(compile(path.read_text(), path.name, "exec"), scope)
    step: Callable[[], Any] = scope["make"](compiled, **settings)
    return step
