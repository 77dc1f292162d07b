"""Reshapes inside a nest, and convolutions of volumes: no divisions, no calls of the interpreter, the same values."""

from __future__ import annotations

import pytest

import alight as torch
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.nest import Quotient
from alight.compiler.pipeline import plan
from alight.compiler.splits import has_quotients
from alight.ir.text import parse
from tests.compiler.test_tiers import agree

F = torch.nn.functional


def planned(text):
    """The plan of a program given as text."""
    return plan(parse(text), machine(host()))


GROUP_NORM = """
program(%0: f32[16,24,10,10], %1: f32[24,24,3,3]) {
  %2: f32[16,24,8,8] = conv(%0, %1) stride=(1, 1) padding=((0, 0), (0, 0)) dilation=(1, 1) groups=1
  %3: f32[64,384] = reshape(%2) shape=(64, 384)
  %4: f32[64] = sum(%3) axes=(1,)
  return %4
}
"""


def test_sums_over_groups_of_channels_divide_nothing():
    nests = [kernel.nest for kernel in planned(GROUP_NORM).kernels if kernel.kind == "loops"]
    assert nests and not any(has_quotients(nest) for nest in nests)


def test_axes_that_no_cut_helps_stay_whole():
    text = """
program(%0: f32[6,35]) {
  %1: f32[35,6] = permute(%0) order=(1, 0)
  %2: f32[14,15] = reshape(%1) shape=(14, 15)
  %3: f32[14,15] = exp(%2)
  return %3
}
"""
    (nest,) = [kernel.nest for kernel in planned(text).kernels if kernel.kind == "loops"]
    assert [type(what) for what in nest.atoms[len(nest.extents) :]].count(Quotient) > 0


def arguments(program, seed=0):
    """Random arrays for a program's inputs."""
    import numpy as np

    random = np.random.default_rng(seed)
    return [
        random.standard_normal(program.types[i].shape).astype(program.types[i].dtype.name)
        for i in program.inputs
    ]


SHUFFLED = """
program(%0: f32[5,12,6,7]) {
  %1: f32[5,3,2,2,6,7] = reshape(%0) shape=(5, 3, 2, 2, 6, 7)
  %2: f32[5,3,6,2,7,2] = permute(%1) order=(0, 1, 4, 2, 5, 3)
  %3: f32[5,3,12,14] = reshape(%2) shape=(5, 3, 12, 14)
  %4: f32[5,3,12,14] = exp(%3)
  %5: f32[15,168] = reshape(%4) shape=(15, 168)
  %6: f32[15] = max(%5) axes=(1,)
  return %4, %6
}
"""


@pytest.mark.parametrize("text", (GROUP_NORM, SHUFFLED), ids=("group norm", "pixel shuffle"))
def test_values(text):
    program = parse(text)
    agree(program, arguments(program))


VOLUMES = {
    "plain": (5, 4, (3, 3, 3), {"padding": 1}),
    "stride": (3, 4, (3, 2, 3), {"stride": (2, 1, 2), "padding": (1, 0, 2)}),
    "groups": (4, 8, (2, 3, 3), {"groups": 2}),
    "dilation": (2, 3, (2, 2, 2), {"dilation": (2, 1, 1)}),
    "one place": (2, 3, (1, 3, 3), {"bias": False}),
}


@pytest.mark.parametrize("name", VOLUMES)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_volumes(name, dtype):
    import torch as oracle

    a, b, window, options = VOLUMES[name]
    found = []
    for library in (torch, oracle):
        library.manual_seed(0)
        of = getattr(library, dtype)
        net = library.nn.Conv3d(a, b, window, **options).to(of)
        up = library.nn.ConvTranspose3d(b, a, window, **options).to(of)
        x = library.randn(3, a, 6, 7, 8, dtype=of).requires_grad_()
        up(net(x)).pow(2).sum().backward()
        found.append([x.grad, *(p.grad for p in (*net.parameters(), *up.parameters()))])
    for ours, theirs in zip(*found, strict=True):
        expected = torch.tensor(theirs.numpy())
        bound = 1e-4 if dtype == "float32" else 1e-10
        assert (ours - expected).abs().max() <= bound * expected.abs().max()


def test_volumes_are_compiled():
    text = """
program(%0: f32[4,3,8,9,10], %1: f32[6,3,3,3,3]) {
  %2: f32[4,6,6,7,8] = conv(%0, %1) stride=(1, 1, 1) padding=((0, 0), (0, 0), (0, 0)) dilation=(1, 1, 1) groups=1
  %3: f32[6,3,3,3,3] = conv_filter(%0, %2) shape=(6, 3, 3, 3, 3) stride=(1, 1, 1) padding=((0, 0), (0, 0), (0, 0)) dilation=(1, 1, 1) groups=1
  %4: f32[4,3,8,9,10] = conv_data(%2, %1) shape=(4, 3, 8, 9, 10) stride=(1, 1, 1) padding=((0, 0), (0, 0), (0, 0)) dilation=(1, 1, 1) groups=1
  return %3, %4
}
"""
    kinds = [kernel.kind for kernel in planned(text).kernels]
    assert "interpreter" not in kinds and kinds.count("convolution") == 3
    program = parse(text)
    agree(program, arguments(program))


def test_tokens_made_of_an_image_are_rows():
    text = """
program(%0: f32[8,3,32,32], %1: f32[40,3,4,4], %2: f32[40,70]) {
  %3: f32[8,40,8,8] = conv(%0, %1) stride=(4, 4) padding=((0, 0), (0, 0)) dilation=(1, 1) groups=1
  %4: f32[8,40,64] = reshape(%3) shape=(8, 40, 64)
  %5: f32[8,64,40] = permute(%4) order=(0, 2, 1)
  %6: f32[8,64,40] = exp(%5)
  %7: f32[8,64,70] = dot_general(%6, %2) batch=((), ()) contract=((2,), (0,))
  %8: f32[40,70] = dot_general(%6, %7) batch=((), ()) contract=((0, 1), (0, 1))
  return %7, %8
}
"""
    assert all(kernel.kind != "interpreter" for kernel in planned(text).kernels)
    program = parse(text)
    agree(program, arguments(program))


def test_products_of_rows_that_lie_in_no_regular_order():
    text = """
program(%0: f32[20,6,9,9], %1: f32[6,6,3,3], %2: f32[9,70]) {
  %3: f32[20,6,9,9] = conv(%0, %1) stride=(1, 1) padding=((1, 1), (1, 1)) dilation=(1, 1) groups=1
  %4: f32[20,6,9,9] = exp(%3)
  %5: f32[20,6,9,70] = dot_general(%4, %2) batch=((), ()) contract=((3,), (0,))
  %6: f32[9,70] = dot_general(%4, %5) batch=((), ()) contract=((0, 1, 2), (0, 1, 2))
  return %5, %6
}
"""
    assert all(kernel.kind != "interpreter" for kernel in planned(text).kernels)
    program = parse(text)
    agree(program, arguments(program))


@pytest.mark.parametrize("reduce", ("amax", "amin", "prod"))
@pytest.mark.parametrize("dtype", ("f32", "i64"))
def test_scattered_reductions(reduce, dtype):
    import numpy as np

    program = parse(f"""
program(%0: {dtype}[9,5], %1: {dtype}[40,5], %2: i64[40]) {{
  %3: {dtype}[9,5] = scatter_reduce(%0, %1, %2) axes=(0,) reduce='{reduce}'
  return %3
}}
""")
    kinds = [kernel.kind for kernel in plan(program, machine(host())).kernels]
    assert "interpreter" not in kinds
    random = np.random.default_rng(0)
    of = {"f32": np.float32, "i64": np.int64}[dtype]
    base, updates = ((random.standard_normal((n, 5)) * 3).astype(of) for n in (9, 40))
    if dtype == "f32":
        updates[7, 2] = np.nan
    agree(program, (base, updates, random.integers(0, 9, 40)))


PRODUCTS = {
    "a summed axis between": ("f32[64,20]", "f32[10,20,30]", "f32[64,10,30]", "((1,), (1,))"),
    "summed axes around": ("f32[6,50,7]", "f32[6,40,7]", "f32[50,40]", "((0, 2), (0, 2))"),
    "in another order": ("f32[6,7,50]", "f32[7,40,6]", "f32[50,40]", "((0, 1), (2, 0))"),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_any_axes_are_compiled(name):
    x, y, out, sums = PRODUCTS[name]
    program = parse(f"""
program(%0: {x}, %1: {y}) {{
  %2: {out} = dot_general(%0, %1) batch=((), ()) contract={sums}
  return %2
}}
""")
    assert all(k.kind != "interpreter" for k in plan(program, machine(host())).kernels)
    agree(program, arguments(program))
