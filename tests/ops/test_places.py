"""Copies of views, layouts, histograms, slopes, integers and floating-point parts, beside the operator database's rows."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree

PROGRAMS = [
    # copies of views
    "torch.permute_copy(b, (2, 0, 1)), torch.t_copy(x), torch.select_copy(b, 1, 2), torch.view_copy(x, (4, 3))",
    "torch.split_copy(x, 2, dim=1), torch.unbind_copy(x), torch.slice_copy(v, 0, 1, 4, 2), torch.alias_copy(v)",
    "y = torch.unsqueeze_copy(x, 0); y.detach().zero_(); x + 0",
    "torch.detach_copy(x), torch.expand_copy(v, (2, 4)), torch.unfold_copy(v, 0, 2, 1)",
    "torch.unsafe_split(x, 2), x.unsafe_chunk(2, 1), torch.unsafe_split_with_sizes(x, [1, 2])",
    "torch.narrow_copy(x, 0, 1, 5)",
    "torch.as_strided_scatter(x.detach(), torch.zeros(2, 2), (2, 2), (1, 5), 1)",
    "torch.as_strided_scatter(x, torch.zeros(2), (2, 2), (1, 5), 1)",
    "torch.as_strided_scatter(v, torch.zeros(2), (2,), (9,))",
    "b.sum_to_size(3, 1), x.sum_to_size(()), x.sum_to_size(1, 4)",
    "x.sum_to_size(2, 4)",
    # layouts
    "torch.empty_strided((2, 3), (1, 2)).fill_(1), torch.empty_strided((2, 2), (5, 2)).fill_(2)",
    "torch.empty_permuted((2, 3, 4), (1, 2, 0)).zero_(), x.new_empty_strided((2, 2), (1, 2), dtype=torch.int64).fill_(3)",
    "torch.empty_strided((2, 3), (1,))",
    "torch.empty_permuted((2, 3), (0, 0))",
    "torch.range(1, 4, 0.5), torch.range(4, 1, -1)",
    "torch.range(1, 4, -1)",
    # elements in places, and places
    "torch.diagflat(x[:2, :2], 1), v.diagflat(), torch.diagflat(torch.tensor(3))",
    "torch.fill(x, 2.5), torch.fill(i, torch.tensor(2.5)), torch.constant_pad_nd(v, (1, 2), 3)",
    "torch.nonzero_static(m, size=9, fill_value=-2), m.nonzero_static(size=2)",
    "torch.nonzero_static(m, size=-1)",
    "torch.unravel_index(i.flatten()[:3], (3, 4))[0].contiguous(), torch.unravel_index(torch.tensor(5), 7)",
    "torch.unravel_index(x, (3, 4))",
    "torch.unravel_index(i, (-3, 4))",
    "v.resize(2, 2), x.t().resize(2, 6), v.resize_as(torch.ones(4, 1))",
    "v.resize(3)",
    # slopes
    "torch.gradient(x), torch.gradient(x, spacing=[2.0, 0.5], dim=(1, 0)), torch.gradient(i, spacing=2)",
    "torch.gradient(v, spacing=(torch.tensor([0.0, 1.0, 3.0, 3.5]),), edge_order=2)",
    "torch.gradient(b, dim=-1, edge_order=2), torch.gradient(x[:2], dim=0)",
    "torch.gradient(x, edge_order=3)",
    "torch.gradient(x[:1])",
    "torch.gradient(x, spacing=[1.0])",
    # integers and parts of numbers
    "torch.gcd(i, torch.tensor(6)), torch.lcm(i, j[:1]), i.gcd(i + 2)",
    "y = torch.tensor([12, -18]); y.gcd_(torch.tensor([8, 12])); y",
    "torch.gcd(v, v)",
    "torch.frexp(torch.tensor([1.0, 0.0, -0.0, float('inf'), 1e-45, -3.0, 2e-38])), torch.frexp(v).mantissa",
    "torch.frexp(v.double()), torch.frexp(torch.tensor([0.3, 1e-7], dtype=torch.float16))",
    "torch.frexp(i)",
    "torch.nextafter(torch.tensor([1.0, 0.0, 0.0, float('inf')]), torch.tensor([2.0, -1.0, 0.0, 0.0]))",
    "torch.nextafter(v.bfloat16(), torch.tensor(0.0)), v.double().nextafter(v.double() + 1)",
    "torch.nextafter(i, i)",
    # questions
    "torch.is_conj(x), x.is_neg(), torch.is_same_size(x, v), torch.is_signed(i), torch.is_signed(m), x.is_distributed()",
    "y = torch.tensor([1j, 2.0]); y.conj_physical_().real + 0",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)


HISTOGRAMS = [
    "torch.histogram(x, 4), torch.histogram(x, torch.tensor([1.0, 3.0, 12.0]), weight=x * 2, density=True)",
    "torch.histogram(x, 3, range=(2.0, 9.0)), torch.histogram(torch.ones(3), 2), torch.histogram(torch.empty(0), 2)",
    "h = torch.histogram(v, 3); h.hist, h.bin_edges",
    "torch.histogramdd(x[:, :2], bins=[2, 3]), torch.histogramdd(x[:, :2], 2, range=[0.0, 9.0, 0.0, 9.0])",
    "torch.histogram(x, 0)",
    "torch.histogram(i, 3)",
    "torch.histogram(x, 3, range=(2.0, 1.0))",
    "torch.histogramdd(x, bins=[2, 3])",
    "torch.histogram(torch.tensor([1.0, float('nan')]), 2)",
]


@pytest.mark.parametrize("program", HISTOGRAMS)
def test_histograms(program: str) -> None:
    agree(program, grad=False)


FILLS = [
    "torch.empty(5, dtype=torch.int64).exponential_()",
    "torch.empty(5, dtype=torch.int64).cauchy_()",
    "torch.empty(5, dtype=torch.bool).geometric_(0.5)",
    "torch.empty(5, dtype=torch.int64).log_normal_()",
    "torch.empty(5).geometric_(1.0)",
    "torch.empty(5).geometric_()",
    "torch.empty(5).exponential_(lambd=0.0)",
    "torch.empty(5).cauchy_(0.0, 0.0)",
    "torch.empty(5).log_normal_(0.0, -1.0)",
    "torch.empty(5).uniform_(1.0, 0.0)",
    "torch.empty(5, dtype=torch.int64).geometric_(0.3)",
    "torch.empty(3, 5).t().exponential_(2.0), torch.empty(5, dtype=torch.float16).cauchy_(1.0, 2.0)",
]


@pytest.mark.parametrize("program", FILLS)
def test_random_fills(program: str) -> None:
    agree("torch.manual_seed(3); " + program)
