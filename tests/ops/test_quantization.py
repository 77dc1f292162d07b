"""Fake quantisation against PyTorch: values, gradients, names of backward nodes, errors."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree
from tests.semantics.oracle import same

TENSOR, CHANNEL = "torch.fake_quantize_per_tensor_affine", "torch.fake_quantize_per_channel_affine"
ZEROS = "torch.tensor([0, -3, 2], dtype=torch.int32)"
PROGRAMS = [
    f"{TENSOR}(v, 0.3, 1, -8, 7)",
    f"{TENSOR}(x, torch.tensor([0.7]), torch.tensor(2), -8, 7)",
    f"{TENSOR}(v.double(), 0.25, 0, 0, 255), {TENSOR}(v.half(), 0.25, 0, -4, 4)",
    f"{TENSOR}(torch.tensor([float('nan'), float('inf')]), 0.1, 1, -8, 7)",
    f"{TENSOR}(e, 0.1, 1, -8, 7)",
    f"{TENSOR}(v, 0.1, 1, 7, -8)",
    f"{TENSOR}(v, 0.1, 100, -8, 7)",
    f"{TENSOR}(i, 0.1, 1, -8, 7)",
    f"{CHANNEL}(x, torch.tensor([0.3, 1.0, 0.7]), {ZEROS}, 0, -8, 7)",
    f"{CHANNEL}(x.t(), torch.tensor([0.3, 1.0, 0.7]), {ZEROS}.float() + 0.5, 1, -8, 7)",
    f"{CHANNEL}(x, v.detach().abs(), {ZEROS}, 1, -8, 7)",
    f"{CHANNEL}(x, v[:3].detach().abs(), {ZEROS} * 9, 0, -8, 7)",
    f"{CHANNEL}(x, v[:3].detach().abs(), {ZEROS}.long(), 0, -8, 7)",
    f"{CHANNEL}(x, v[:3].detach().abs(), {ZEROS}, 2, -8, 7)",
    f"{CHANNEL}(x, v[:3].detach().abs(), {ZEROS}, -2, -8, 7)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_pytorch(program: str) -> None:
    agree(program)


def test_names() -> None:
    def names(torch):
        x, scale = torch.ones(3, 2, requires_grad=True), torch.ones(3)
        return [
            torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -8, 7).grad_fn.name(),
            torch.fake_quantize_per_tensor_affine(
                x, scale[0], scale[0].int(), -8, 7
            ).grad_fn.name(),
            torch.fake_quantize_per_channel_affine(x, scale, scale.int(), 0, -8, 7).grad_fn.name(),
        ]

    same(names)
