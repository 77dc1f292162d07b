"""Generated matrix products against NumPy's in float64: extents, strides, machines, threads, the finish hook."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alight.backends.cpu import jit
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.contraction import Product, emit_product, plan_of, scratch_bytes
from alight.backends.cpu.product_ahead import rows_ahead
from alight.backends.cpu.target import Target, host

from .kernels import DTYPES, NEON, filled, kernel_text, placed, run_kernel, targets


def product(m, n, k, a="mk", b="kn", c="mn", type="float", batch=(), gap=0):
    """A product whose operands lie in memory as the letters say, outermost first."""

    def strides(letters: str, axes: str, extents: tuple[int, int]) -> tuple[int, ...]:
        first = len(batch)
        order = [*range(first), *(first + axes.index(letter) for letter in letters)]
        return placed((*batch, *extents), order, gap)

    return Product(
        type, batch, m, n, k,
        strides(a, "mk", (m, k)), strides(b, "kn", (k, n)), strides(c, "mn", (m, n)),
    )  # fmt: skip


def check(
    made: Product, target: Target | None = None, threads: int = 1, axis: str | None = None
) -> None:
    target = target or host()
    a_memory, a = filled((*made.batch, made.m, made.k), made.a, made.type, 0)
    b_memory, b = filled((*made.batch, made.k, made.n), made.b, made.type, 1)
    c_memory, c = filled((*made.batch, made.m, made.n), made.c, made.type, 2)
    untouched = c_memory.copy()
    size = scratch_bytes(made, target, threads, axis)
    scratch = np.full(size // 4 + 1, np.nan, np.float32)

    def emit(code: Code, pointers: list[Value]) -> None:
        emit_product(code, made, target, *pointers, vector_axis=axis)

    run_kernel(emit, [a_memory, b_memory, c_memory, scratch], target, threads)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    bound = (np.abs(a).astype(np.float64) @ np.abs(b)) * np.finfo(DTYPES[made.type]).eps * 8
    assert (np.abs(c - expected) <= bound + 1e-300).all()
    # Elements between C's own are left alone.
    wanted = untouched.copy()
    np.lib.stride_tricks.as_strided(wanted, c.shape, c.strides)[...] = c
    np.testing.assert_array_equal(c_memory, wanted)


LAYOUTS = list(itertools.product(["mk", "km"], ["kn", "nk"], ["mn", "nm"]))
NOTES = [
    (256, 784, 256), (784, 256, 256), (256, 256, 10), (32, 256, 256), (4, 64, 64), (32, 64, 64),
    (1, 256, 256), (256, 256, 1), (28, 256, 256), (10, 2, 1), (32, 4, 64),
]  # fmt: skip


@pytest.mark.parametrize(("m", "k", "n"), NOTES)
@pytest.mark.parametrize("layout", ["NN", "NT", "TN"])
def test_shapes_of_the_lessons(m, k, n, layout):
    a = "mk" if layout[0] == "N" else "km"
    b = "kn" if layout[1] == "N" else "nk"
    check(product(m, n, k, a, b))


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
@pytest.mark.parametrize("type", ["float", "double"])
def test_every_order_of_axes(layout, type):
    for m, n, k in [(7, 5, 3), (17, 33, 20), (1, 40, 19), (40, 1, 19), (65, 10, 64), (3, 100, 50)]:
        check(product(m, n, k, *layout, type=type))
        check(product(m, n, k, *layout, type=type, gap=3))


@pytest.mark.parametrize("target", targets(), ids=lambda target: str(target.vector_bytes))
@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
def test_narrower_machines(target, layout):
    for m, n, k, type in [(13, 21, 18, "float"), (30, 70, 100, "float"), (9, 6, 40, "double")]:
        check(product(m, n, k, *layout, type=type), target)


@pytest.mark.parametrize("extents", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 1)])
def test_empty_and_single(extents):
    check(product(*extents))
    check(product(*extents, batch=(2,)))
    check(product(4, 4, 4, batch=(0,)))


@pytest.mark.parametrize("layout", ["NN", "NT", "TN"])
def test_batches(layout):
    a = "mk" if layout[0] == "N" else "km"
    b = "kn" if layout[1] == "N" else "nk"
    check(product(64, 64, 32, a, b, batch=(2, 3)))
    check(product(5, 9, 7, a, b, batch=(3,)), threads=2)
    shared = product(20, 40, 30, a, b, batch=(4,))
    check(shared._replace(b=(0, *shared.b[1:])))  # one matrix for the whole batch


@given(
    extents=st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70)),
    layout=st.sampled_from(LAYOUTS),
    type=st.sampled_from(["float", "double"]),
    gap=st.integers(0, 2),
    threads=st.integers(1, 3),
    axis=st.sampled_from([None, "m", "n"]),
)
@settings(max_examples=40, deadline=None)
def test_any_product(extents, layout, type, gap, threads, axis):
    m, n, k = extents
    check(product(m, n, k, *layout, type=type, gap=gap), None, threads, axis)


def test_strides_without_a_contiguous_axis():
    made = product(9, 20, 11)
    twice = [tuple(2 * stride for stride in strides) for strides in made[5:]]
    check(made._replace(a=twice[0], b=twice[1], c=twice[2]))


@pytest.mark.parametrize(
    "made",
    [
        product(33, 70, 50), product(33, 70, 50, "mk", "nk"), product(33, 10, 64, "mk", "nk"),
        product(70, 10, 96), product(10, 20, 5000, "km", "kn"), product(602, 150, 580, "km", "kn"),
        product(9, 9, 9, batch=(3,)),
    ],
    ids=str,
)  # fmt: skip
def test_results_do_not_depend_on_the_number_of_threads(made):
    def computed(threads: int) -> bytes:
        a, _ = filled((*made.batch, made.m, made.k), made.a, made.type, 0)
        b, _ = filled((*made.batch, made.k, made.n), made.b, made.type, 1)
        c, _ = filled((*made.batch, made.m, made.n), made.c, made.type, 2)
        scratch = np.zeros(scratch_bytes(made, host(), threads) // 4 + 16, np.float32)
        run_kernel(
            lambda code, p: emit_product(code, made, host(), *p),
            [a, b, c, scratch],
            host(),
            threads,
        )
        return c.tobytes()

    assert computed(1) == computed(2) == computed(3)


@pytest.mark.parametrize("threads", [1, 2])
def test_long_sums_do_not_depend_on_threads(threads):
    for m, n, k in [(10, 20, 5000), (1, 1, 4100), (70, 300, 4500)]:
        check(product(m, n, k, "km", "kn"), threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("type", ["float", "double"])
def test_tall_products_go_over_b_for_each_tile_of_rows(type, threads):
    far = product(602, 150, 580, "km", "kn", type=type)
    assert plan_of(far, host()).rows_first
    assert plan_of(far, host()).partial
    check(far, threads=threads)
    for layout in (("mk", "nk"), ("mk", "kn")):
        near = product(1201, 100, 300, *layout, type="double")
        assert plan_of(near, host()).rows_first
        check(near, threads=threads)


# m, n, k: one panel, ragged panels, panels in two goes where the cache is small, odd numbers of steps
FAR = [(1030, 30, 200), (390, 150, 515), (700, 333, 270), (1100, 96, 257), (260, 64, 1120)]


@pytest.mark.parametrize(("m", "n", "k"), FAR)
def test_crosswise_rows_that_lie_far_apart(m, n, k):
    made = product(m, n, k, "km", "kn", gap=1)
    small = host()._replace(l2_bytes=64 << 10)
    plan = plan_of(made, small)
    assert plan.far and plan.rows_first and plan.partial
    assert len({section.shape.rows for section in plan.sections}) == 1
    for threads in (1, 2, 3):
        check(made, small, threads)
    check(product(m, n, k, "km", "nk", type="double"), threads=2)
    check(product(m, n, k, "km", "kn", "nm"), threads=2)


@pytest.mark.parametrize("target", targets(), ids=lambda target: str(target.vector_bytes))
def test_crosswise_rows_on_narrower_machines(target):
    made = product(517, 70, 301, "km", "kn")
    assert plan_of(made, target).far
    check(made, target, threads=2)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(16, 256, 130), (6, 90, 200), (32, 100, 140), (9, 300, 65)]
)
def test_few_rows_ask_for_the_next_panel_of_weights(m, n, k):
    made = product(m, n, k)
    assert plan_of(made, host()).weights
    for threads in (1, 2):
        check(made, threads=threads)
    assert not plan_of(product(m, 20, 20), host()).weights  # stays in the first cache
    assert not plan_of(product(1, n, k), host()).weights  # read once, one after the other


def test_long_rows_of_few_steps_pack_a_panel_or_nothing():
    few, many = product(70, 2048, 64), product(520, 1024, 64)
    wide = Target("x86_64", "x86-64", "", 64, 32, 48 << 10, 2 << 20)
    packed, unpacked = plan_of(few, wide), plan_of(many, wide)
    assert (packed.packed, packed.rows_first) == (True, False)
    assert (unpacked.packed, unpacked.rows_first) == (False, True)
    check(few, threads=2)
    check(many, threads=2)


def test_rows_that_lie_across_lines_are_packed_where_they_are_read_often():
    assert plan_of(product(1120, 250, 300), host()).packed
    assert not plan_of(product(1120, 240, 300), host()).packed
    assert not plan_of(product(100, 250, 300), host()).packed


def test_what_a_tile_asks_for_ahead_is_the_next_tile():
    """All panels together ask for every line of every step once, or a little more."""
    for m, n, k in itertools.product((1024, 300), (2048, 256, 150, 64, 20), (1120, 515)):
        plan = plan_of(product(m, n, k, "km", "kn"), host())
        if not plan.far:
            continue
        every, lines = rows_ahead(plan, list(plan.sections))
        panels = min(sum(section.panels for section in plan.sections), plan.wide)
        size = plan.sections[0].shape.rows * plan.product.itemsize
        assert every & (every - 1) == 0
        assert panels * lines * 64 >= every * (size + 63)


@pytest.mark.parametrize("type", ["float", "double"])
def test_narrow_products_turn_b(type):
    for n, k in ((10, 256), (9, 67), (3, 130)):
        made = product(70, n, k, type=type)
        check(made, threads=2)
        check(made._replace(b=(2 * made.b[0], 2 * made.b[1])))
    assert plan_of(product(256, 10, 256), host()).turned is not None or host().vector_bytes < 64


@pytest.mark.parametrize(
    "shape", [(37, 50, 30), (64, 10, 64), (16, 64, 64), (1, 50, 20), (50, 1, 20)]
)
@pytest.mark.parametrize("layout", [("mk", "kn"), ("mk", "nk"), ("km", "kn")], ids="-".join)
@pytest.mark.parametrize("axis", ["m", "n"])
def test_finish_gets_each_element_once(shape, layout, axis):
    """The hook adds the sums and a constant to C, so an element that came twice or never would be seen."""
    m, n, k = shape
    made = product(m, n, k, *layout, c="mn" if axis == "n" else "nm")
    a_memory, a = filled((m, k), made.a, "float", 0)
    b_memory, b = filled((k, n), made.b, "float", 1)
    c_memory, c = filled((m, n), made.c, "float", 2)
    before = c.astype(np.float64)
    scratch = np.zeros(scratch_bytes(made, host(), 1, axis) // 4 + 1, np.float32)

    def emit(code: Code, pointers: list[Value]) -> None:
        def finish(code, batch, row, column, values, mask):
            assert batch == []
            index = code.add(code.mul(row, made.c[0]), code.mul(column, made.c[1]))
            at = code.element(pointers[2], index, 4)
            total = code.op("fadd", values, code.load(values.type, at, mask))
            code.store(code.op("fadd", total, code.splat(1.0, values.type)), at, mask)

        emit_product(code, made, host(), *pointers, finish=finish, vector_axis=axis)

    run_kernel(emit, [a_memory, b_memory, c_memory, scratch], host())
    np.testing.assert_allclose(c, before + 1 + a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)


def test_code_for_neon_multiplies_and_adds_in_one_instruction():
    made = product(24, 16, 8)
    text = kernel_text(lambda code, p: emit_product(code, made, NEON, *p), 4, NEON)
    assert "fmla" in jit.assembly(text, NEON)


@pytest.mark.parametrize("target", targets(), ids=lambda target: str(target.vector_bytes))
def test_tiles_stay_in_registers(target):
    """No sum of the inner loop is spilled: the stack holds only what was asked for."""
    for made in (product(252, 256, 784), product(256, 10, 256), product(64, 64, 32, "km", "kn")):
        text = kernel_text(
            lambda code, p, made=made: emit_product(code, made, target, *p), 4, target
        )
        assembly = jit.assembly(text, target)
        assert "Folded Spill" not in "\n".join(
            line for line in assembly.splitlines() if "mm" in line.split("#")[0]
        )


@pytest.mark.parametrize(
    ("n", "k", "ahead"), [(203, 144, 1), (203, 784, 1), (203, 147, 0), (64, 64, 0)]
)
def test_large_weights_are_asked_for_ahead(n, k, ahead):
    made = product(32, n, k, "mk", "nk")
    check(made)
    if host().vector_bytes == 64:
        assert plan_of(made, host()).crossed or not ahead
        text = kernel_text(lambda code, p: emit_product(code, made, host(), *p), 4, host())
        assert ("llvm.prefetch" in text) == bool(ahead)
