"""grid_sample and affine_grid beside their rows in the operator database."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree

G = "g = torch.linspace(-1.3, 1.2, 24, dtype=torch.float64).reshape(1, 4, 3, 2).requires_grad_(); p = b.double()[None]; "
F = "torch.nn.functional."
PROGRAMS = [
    *(
        f"{G}{F}grid_sample(p, g, mode='{mode}', padding_mode='{padding}', align_corners={corners})"
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for corners in (False, True)
    ),
    f"{F}grid_sample(torch.arange(48.0).reshape(1, 2, 2, 3, 4), torch.linspace(-1.2, 1, 24).reshape(1, 2, 2, 2, 3), "
    "align_corners=False)",
    "torch.grid_sampler(b[None], torch.zeros(1, 2, 2, 2), 0, 1, True)",
    f"{F}grid_sample(b[None], torch.full((1, 1, 2, 2), float('inf')), padding_mode='border', align_corners=True)",
    f"{F}affine_grid(x[:2, :3][None], (1, 2, 3, 2), align_corners=False)",
    f"{F}affine_grid(x[None], (1, 1, 2, 3, 2), align_corners=True), {F}affine_grid(x[:2, :3][None], (1, 2, 1, 2), False)",
    f"{F}grid_sample(b[None], torch.zeros(1, 2, 2, 2), mode='cubic')",
    f"{F}grid_sample(b[None], torch.zeros(1, 2, 2, 2), padding_mode='none')",
    f"{F}grid_sample(b[None], torch.zeros(2, 2, 2, 2), align_corners=True)",
    f"{F}grid_sample(b[None], torch.zeros(1, 2, 2, 3), align_corners=True)",
    f"{F}grid_sample(b[None], torch.zeros(1, 2, 2, 2).double(), align_corners=True)",
    f"{F}affine_grid(x, (1, 2, 3, 2))",
    f"{F}affine_grid(x[None], (1, 2, 3))",
    f"{F}affine_grid(i[None], (1, 2, 3, 2))",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)


def test_the_identity_gives_the_picture_back() -> None:
    agree(
        "g = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 2, 3, 4), align_corners=False); "
        "(torch.nn.functional.grid_sample(b[None], g, align_corners=False) - b).abs().max().item() < 1e-5"
    )
