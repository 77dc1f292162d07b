"""Operations under `torch` itself with the argument lists of PyTorch's kernels."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree

Y = "y = b.permute(0, 2, 1)[:, :3]; w = v[:3]; "
PROGRAMS = [
    Y + "torch.batch_norm(y, w, None, torch.zeros(3), torch.ones(3), False, 0.1, 1e-5, True)",
    Y + "torch.instance_norm(y, w, w, None, None, True, 0.1, 1e-5, True)",
    Y + "torch.native_batch_norm(y, w, None, None, None, True, 0.1, 1e-5)",
    "torch.native_layer_norm(x, (4,), v, v, 1e-5)",
    "torch.native_group_norm(b.double(), None, None, 2, 3, 4, 1, 1e-5)",
    "torch.alpha_dropout(x, 0.5, True).shape, torch.feature_dropout(b, 0.5, True).shape",
    "torch.alpha_dropout(x, 0.5, False), torch.feature_alpha_dropout(x, 0.5, False)",
    "y = torch.ones(3, 4); torch.dropout_(y, 1.0, True); y",
    "torch.convolution(b, torch.ones(2, 3, 2), v[:2], [1], [1], [1], False, [0], 1)",
    "torch.convolution(b, torch.ones(3, 2, 2), v[:2], [2], [0], [1], True, [1], 1)",
    "torch.conv_tbc(b, torch.ones(2, 4, 3), v[:3], 1)",
    "torch.nn.functional.conv_tbc(b, torch.ones(2, 4), v[:3])",
    "torch.embedding(x, j), torch.embedding(x, torch.tensor([[0], [2]]), padding_idx=1)",
    "torch.native_channel_shuffle(torch.arange(8.0).reshape(1, 4, 2, 1), 2)",
    "torch.max_pool1d_with_indices(x, 2)",
    "torch.norm_except_dim(x), torch.norm_except_dim(b, 2, 1).flatten(), torch.norm_except_dim(x, 2, -1)",
    "torch.frobenius_norm(x, (0, 1)), torch.frobenius_norm(x, 1, keepdim=True), torch.nuclear_norm(x[:2, :2].double())",
    "torch.get_device(x)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)
