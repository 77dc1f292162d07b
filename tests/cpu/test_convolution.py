"""Generated convolutions and their gradients against PyTorch's in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from alight.backends.cpu import convolution as cv
from alight.backends.cpu import filter_gradient, jit
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.convolution import Convolution
from alight.backends.cpu.patch_lanes import by_patches
from alight.backends.cpu.target import Target, host
from alight.backends.cpu.winograd_filter import filter_by_winograd, fits_filter
from alight.backends.cpu.winograd_plan import by_winograd, fits_winograd

from .kernels import NEON, filled, kernel_text, placed, run_kernel, targets

ORDERS = {"batch": "chwn", "batch, places outside": "hwcn", "channels": "nhwc", "rows": "nchw"}
ROLES = {"forward": ("x", "w", "out"), "data": ("out", "w", "x"), "filter": ("x", "out", "w")}
EMIT = {
    "forward": cv.emit_forward,
    "data": cv.emit_data_gradient,
    "filter": cv.emit_filter_gradient,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread_of_torch():
    """The oracle's threads wait by spinning, which on a busy machine takes seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def convolution(
    batch, inputs, outputs, size, window, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1,
    order="batch", weights="ochw", type="float",
) -> Convolution:  # fmt: skip
    """A convolution whose images lie as `order` says and whose weights as the letters of `weights`."""
    pads = tuple((p, p) if isinstance(p, int) else p for p in padding)
    out = tuple(
        (s + sum(p) - d * (k - 1) - 1) // step + 1
        for s, k, step, p, d in zip(size, window, stride, pads, dilation, strict=True)
    )
    axes = ["nchw".index(letter) for letter in ORDERS[order]]
    w_axes = ["ochw".index(letter) for letter in weights]
    return Convolution(
        type, batch, groups, inputs, outputs, size, window, out, stride, pads, dilation,
        placed((batch, inputs, *size), axes),
        placed((outputs, inputs // groups, *window), w_axes),
        placed((batch, outputs, *out), axes),
    )  # fmt: skip


def expected(conv: Convolution, which: str, arrays: dict[str, np.ndarray]) -> torch.Tensor:
    """What PyTorch computes in float64."""
    x, w, out = (
        torch.tensor(np.ascontiguousarray(arrays[name]), dtype=torch.float64) for name in "xwo"
    )
    x.requires_grad_()
    w.requires_grad_()
    (top, bottom), (left, right) = conv.padding
    padded = F.pad(x, (left, right, top, bottom))
    made = F.conv2d(padded, w, None, conv.stride, 0, conv.dilation, conv.groups)
    if which == "forward":
        return made.detach()
    made.backward(out)
    return x.grad if which == "data" else w.grad


def test_results_do_not_depend_on_the_number_of_threads():
    for which, (_, _, written) in ROLES.items():
        for order in ("batch", "channels", "rows"):
            conv = convolution(**CASES["lenet, second"], order=order)
            assert len({computed(conv, which, threads) for threads in (1, 2, 3)}) == 1, (
                which,
                written,
            )


def computed(conv: Convolution, which: str, threads: int) -> bytes:
    """The result's memory."""
    sizes = {
        "x": conv.batch * conv.inputs * np.prod(conv.size),
        "w": conv.outputs * conv.inputs // conv.groups * np.prod(conv.window),
        "out": conv.batch * conv.outputs * np.prod(conv.out_size),
    }
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(sizes[name]).astype(np.float32) for name in ROLES[which]]
    size = cv.scratch_bytes(conv, which, host(), threads)
    scratch = np.zeros(size // 4 + 16, np.float32)

    def emit(code: Code, pointers: list[Value]) -> None:
        EMIT[which](code, conv, host(), *pointers)

    run_kernel(emit, [*arrays, scratch], host(), threads)
    return arrays[2].tobytes()


def check(
    conv: Convolution,
    which: str,
    target: Target | None = None,
    threads: int = 1,
    finish: bool = False,
) -> None:
    """Run it; with `finish`, a hook adds 1 to what memory holds, so that an element missed or done twice shows."""
    target = target or host()
    w_shape = (conv.outputs, conv.inputs // conv.groups, *conv.window)
    shapes = {
        "x": ((conv.batch, conv.inputs, *conv.size), conv.x),
        "w": (w_shape, conv.w),
        "out": ((conv.batch, conv.outputs, *conv.out_size), conv.out),
    }
    memory, views = {}, {}
    for seed, (name, (shape, strides)) in enumerate(shapes.items()):
        memory[name], views[name[0]] = filled(shape, strides, conv.type, seed)
    wanted = expected(conv, which, views).numpy()
    size = cv.scratch_bytes(conv, which, target, threads)
    scratch = np.full(size // 4 + 16, np.nan, np.float32)
    written = views[ROLES[which][2][0]]
    before = written.astype(np.float64)
    strides = shapes[ROLES[which][2]][1]

    def emit(code: Code, pointers: list[Value]) -> None:
        def add(code: Code, index: Value, values: Value, mask: Value | None) -> None:
            at = code.element(pointers[2], index, written.itemsize)
            total = code.op("fadd", values, code.load(values.type, at, mask))
            code.store(code.op("fadd", total, code.splat(1.0, values.type)), at, mask)

        def at_place(code: Code, indices: list[Value], values: Value, mask: Value | None) -> None:
            index = code.integer(0)
            for i, stride in zip(indices, strides, strict=True):
                index = code.add(index, code.mul(i, stride))
            add(code, index, values, mask)

        hook = (add if which == "filter" else at_place) if finish else None
        EMIT[which](code, conv, target, *pointers, finish=hook)

    run_kernel(emit, [*(memory[name] for name in ROLES[which]), scratch], target, threads)
    if finish:
        wanted = wanted + before + 1
    scale = np.abs(wanted).max(initial=1)
    tolerance = {"float": 2e-6, "double": 1e-14}[conv.type] * scale
    np.testing.assert_allclose(written, wanted, rtol=0, atol=tolerance)


# ruff: noqa: C408
CASES = {
    "lenet, first": dict(batch=32, inputs=1, outputs=6, size=(28, 28), window=(5, 5), padding=(2, 2)),
    "lenet, second": dict(batch=32, inputs=6, outputs=16, size=(14, 14), window=(5, 5)),
    "three by three": dict(batch=16, inputs=16, outputs=32, size=(7, 7), window=(3, 3), padding=(1, 1)),
    "stem": dict(batch=2, inputs=3, outputs=20, size=(23, 23), window=(7, 7), stride=(2, 2), padding=(3, 3)),
    "one by one": dict(batch=3, inputs=10, outputs=33, size=(5, 6), window=(1, 1)),
    "one by one, stride 2": dict(batch=16, inputs=8, outputs=8, size=(5, 6), window=(1, 1), stride=(2, 2)),
    "depthwise": dict(batch=16, inputs=12, outputs=12, size=(8, 8), window=(3, 3), padding=(1, 1), groups=12),
    "depthwise, many": dict(batch=2, inputs=150, outputs=150, size=(5, 6), window=(3, 2), stride=(2, 1), padding=(1, 1), groups=150),
    "depthwise, multiplied": dict(batch=2, inputs=4, outputs=8, size=(8, 8), window=(3, 3), padding=(1, 1), groups=4),
    "groups": dict(batch=20, inputs=6, outputs=9, size=(9, 8), window=(3, 2), stride=(2, 1), padding=(1, 1), groups=3),
    "dilation": dict(batch=5, inputs=3, outputs=7, size=(11, 12), window=(3, 2), dilation=(2, 3), padding=(2, 1)),
    "dilation and stride": dict(batch=17, inputs=2, outputs=5, size=(13, 15), window=(3, 4), stride=(2, 3), dilation=(3, 2), padding=(4, 2)),
    "one-sided padding": dict(batch=16, inputs=2, outputs=5, size=(6, 7), window=(3, 3), padding=((2, 0), (0, 1))),
    "more padding than window": dict(batch=16, inputs=2, outputs=3, size=(3, 3), window=(2, 2), padding=(4, 3)),
    "one dimension": dict(batch=16, inputs=4, outputs=6, size=(1, 20), window=(1, 5), padding=(0, 2)),
    "wide window": dict(batch=4, inputs=1, outputs=2, size=(3, 30), window=(3, 13), padding=(1, 6)),
    "batch of one": dict(batch=1, inputs=5, outputs=18, size=(6, 6), window=(3, 3), padding=(1, 1)),
    "single": dict(batch=1, inputs=1, outputs=1, size=(1, 1), window=(1, 1)),
    "many channels": dict(batch=20, inputs=21, outputs=70, size=(12, 13), window=(3, 3), padding=(1, 1)),
    "many channels, stride 2": dict(batch=33, inputs=17, outputs=40, size=(9, 8), window=(3, 2), stride=(2, 2), padding=(1, 0), groups=1),
    "large batch": dict(batch=300, inputs=2, outputs=3, size=(4, 5), window=(3, 3), padding=(1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("which", ROLES)
@pytest.mark.parametrize("case", CASES)
def test_both_fast_orders(case, which):
    check(convolution(**CASES[case]), which)
    check(convolution(**CASES[case], order="channels", weights="hwco"), which)


FEW_POSITIONS = {
    "square": dict(batch=1, inputs=20, outputs=71, size=(4, 4), window=(3, 3), padding=(1, 1)),
    "stride and dilation": dict(batch=3, inputs=33, outputs=64, size=(7, 5), window=(3, 2), stride=(2, 1), dilation=(1, 2), padding=(1, 1)),
    "groups": dict(batch=2, inputs=32, outputs=160, size=(5, 4), window=(2, 3), groups=2),
    "one by one": dict(batch=1, inputs=7, outputs=80, size=(3, 3), window=(1, 1)),
    "short rows of whole lines": dict(batch=1, inputs=32, outputs=70, size=(6, 6), window=(1, 1), stride=(2, 2)),
    "long rows of whole lines": dict(batch=2, inputs=80, outputs=67, size=(5, 5), window=(3, 3), padding=(1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("type", ["float", "double"])
@pytest.mark.parametrize("case", FEW_POSITIONS)
def test_few_positions_and_many_channels(case, type):
    conv = convolution(**FEW_POSITIONS[case], order="channels", type=type)
    for target in targets():
        check(conv, "forward", target, threads=2, finish=True)
    assert by_patches(cv._forward_nest(conv), host()) or type == "double"


WINOGRAD = {
    "whole blocks": dict(batch=16, inputs=64, outputs=64, size=(8, 8), padding=(1, 1)),
    "ragged everywhere": dict(batch=35, inputs=57, outputs=83, size=(9, 7), padding=(1, 0)),
    "other padding": dict(batch=17, inputs=65, outputs=64, size=(6, 5), padding=((2, 0), (3, 1))),
    "long rows": dict(batch=16, inputs=64, outputs=48, size=(5, 75), padding=(1, 1)),
    "long chains": dict(batch=16, inputs=145, outputs=130, size=(6, 7), padding=(1, 1)),
    "one image": dict(batch=1, inputs=64, outputs=83, size=(33, 35), padding=(1, 1)),
    "three images": dict(batch=3, inputs=80, outputs=64, size=(16, 11), padding=(0, 2)),
}  # fmt: skip


@pytest.mark.parametrize("which", ["forward", "data"])
@pytest.mark.parametrize("case", WINOGRAD)
def test_fewer_multiplications(case, which, monkeypatch):
    monkeypatch.setattr(cv, "by_winograd", fits_winograd)
    order = "channels" if "image" in case else "batch"
    conv = convolution(**WINOGRAD[case], window=(3, 3), order=order)
    nest = cv._forward_nest(conv) if which == "forward" else cv._backward_nest(conv)
    wide = host().lanes(4) > nest.batch and order == "batch"
    assert wide or fits_winograd(nest, host(), order) == (which == "forward" or order == "batch")
    check(conv, which, threads=2, finish=True)
    if case in ("ragged everywhere", "three images"):
        for target in targets():
            check(conv, which, target)


@pytest.mark.parametrize("case", [case for case in WINOGRAD if "image" not in case])
def test_fewer_multiplications_of_filter_gradients(case, monkeypatch):
    monkeypatch.setattr(filter_gradient, "filter_by_winograd", fits_filter)
    conv = convolution(**WINOGRAD[case], window=(3, 3))
    check(conv, "filter", threads=2, finish=True)
    if case == "ragged everywhere":
        assert len({computed(conv, "filter", threads) for threads in (1, 2, 3)}) == 1
        for target in targets():
            check(conv, "filter", target)


def test_where_fewer_multiplications_pay():
    """By a count of cycles for vectors of 16 numbers and 2 MiB of second cache."""
    machine = Target("", "", "", 64, 32, 48 << 10, 2 << 20)
    usual = dict(batch=32, inputs=64, outputs=64, size=(16, 16), window=(3, 3), padding=(1, 1))

    def chosen(which="forward", **other) -> bool:
        conv = convolution(**{**usual, **other})
        nest = cv._forward_nest(conv) if which == "forward" else cv._backward_nest(conv)
        return by_winograd(nest, machine, cv._lanes_along(nest))

    assert chosen() and chosen("data")
    assert chosen(batch=1, size=(32, 32), order="channels")
    assert chosen(batch=4, inputs=16, outputs=16, size=(32, 32), order="channels")
    assert not chosen(batch=1, inputs=16, outputs=32, size=(6, 6), order="channels")
    assert chosen(inputs=256, outputs=256, size=(8, 8))
    assert not chosen("data", batch=1, size=(32, 32), order="channels")  # weights would be turned
    assert not chosen(batch=1, inputs=256, outputs=256, size=(8, 8), order="channels")
    assert not chosen(inputs=512, outputs=512, size=(4, 4))
    assert not chosen(inputs=16, outputs=32)
    assert not chosen(type="double")
    assert not chosen(stride=(2, 1))
    assert not chosen(dilation=(1, 2), padding=(1, 2))
    assert not chosen(groups=2)
    assert not chosen(window=(3, 1), padding=(1, 0))
    assert not chosen(weights="hwco")
    assert not chosen(order="channels", weights="hwco")

    def chosen_filter(**other) -> bool:
        return filter_by_winograd(convolution(**{**usual, **other}), machine)

    assert chosen_filter()
    assert not chosen_filter(inputs=256, outputs=256, size=(8, 8))  # sums beyond the second cache
    assert not chosen_filter(inputs=16, outputs=32)
    assert not chosen_filter(order="channels")
    assert not chosen_filter(type="double")
    assert not chosen_filter(groups=2)
    assert not chosen_filter(stride=(1, 2))


@pytest.mark.parametrize("which", ["forward", "data"])
@pytest.mark.parametrize("case", [*CASES][::2])
def test_row_major_images(case, which):
    check(convolution(**CASES[case], order="rows"), which)


BY_ROWS = {
    "3 x 3": dict(size=(9, 28), window=(3, 3), padding=(1, 1)),
    "7 x 7, four rows and a half": dict(size=(18, 33), window=(7, 7), padding=(3, 3)),
    "no padding": dict(size=(8, 35), window=(3, 4)),
    "whole vectors": dict(size=(6, 34), window=(3, 3), padding=(1, 0)),
    "stride 2": dict(size=(15, 57), window=(3, 3), stride=(2, 2), padding=(1, 1)),
    "stride 3 down": dict(size=(15, 40), window=(5, 5), stride=(3, 1), padding=(2, 2)),
    "dilated": dict(size=(12, 50), window=(3, 3), padding=(2, 3), dilation=(2, 3)),
    "dilated, stride 2": dict(size=(12, 50), window=(2, 3), stride=(1, 2), padding=(2, 3), dilation=(3, 2)),
    "uneven padding": dict(size=(5, 20), window=(2, 5), padding=((0, 2), (4, 1))),
    "window larger than the image": dict(size=(2, 3), window=(5, 7), padding=(3, 4)),
    "one row": dict(size=(1, 100), window=(1, 9), padding=(0, 4)),
}  # fmt: skip


@pytest.mark.parametrize("which", ["forward", "data"])
@pytest.mark.parametrize("case", BY_ROWS)
def test_depthwise_along_rows(case, which):
    made = dict(batch=2, inputs=3, outputs=3, groups=3, order="rows")
    for weights, type in (("ochw", "float"), ("hwoc", "double")):
        check(convolution(**made, **BY_ROWS[case], weights=weights, type=type), which, finish=True)
    for target in targets()[1:]:
        check(convolution(**made, **BY_ROWS[case]), which, target)


@pytest.mark.parametrize("weights", ["ochw", "ocwh", "hwco", "whco"])
@pytest.mark.parametrize("which", ["forward", "data"])
def test_weights_of_depthwise_convolutions(weights, which):
    check(convolution(**CASES["depthwise, many"], order="channels", weights=weights), which)


@pytest.mark.parametrize("which", ROLES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("weights", ["ochw", "hwoc"])
def test_every_order_of_axes(order, weights, which):
    made = dict(batch=19, inputs=4, outputs=6, size=(5, 6), window=(3, 2), padding=(1, 1), groups=2)
    check(convolution(**made, order=order, weights=weights), which)


@pytest.mark.parametrize("which", ROLES)
@pytest.mark.parametrize("target", targets(), ids=lambda target: str(target.vector_bytes))
@pytest.mark.parametrize("type", ["float", "double"])
def test_narrower_machines(target, type, which):
    made = dict(
        batch=9, inputs=3, outputs=10, size=(7, 6), window=(3, 3), padding=(1, 1), type=type
    )
    check(convolution(**made), which, target)
    check(convolution(**made, order="channels"), which, target)
    check(convolution(**made, order="channels", weights="hwco"), which, target)


@pytest.mark.parametrize("which", ROLES)
@pytest.mark.parametrize(
    "case", ["lenet, second", "stem", "groups", "batch of one", "depthwise, many"]
)
@pytest.mark.parametrize("order", ["batch", "channels", "rows"])
def test_finish_gets_each_element_once(case, order, which):
    check(convolution(**CASES[case], order=order), which, threads=2, finish=True)


@pytest.mark.parametrize("which", ROLES)
def test_threads_divide_the_work(which):
    for case in ("lenet, second", "three by three", "single"):
        check(convolution(**CASES[case]), which, threads=2)
        check(convolution(**CASES[case], order="channels"), which, threads=3)


@pytest.mark.parametrize("which", ROLES)
def test_empty_batch(which):
    made = convolution(0, 2, 3, (4, 4), (3, 3))
    check(made, which)
    check(made._replace(x=(1, 1, 1, 1), out=(1, 1, 1, 1)), which)


@given(
    batch=st.integers(1, 40),
    groups=st.integers(1, 3),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 9),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    order=st.sampled_from(list(ORDERS)),
    weights=st.sampled_from(["ochw", "hwco"]),
    which=st.sampled_from(list(ROLES)),
    threads=st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_any_convolution(
    batch, groups, inputs, outputs, size, window, stride, dilation, padding, order, weights, which,
    threads,
):  # fmt: skip
    size = tuple(
        max(s, d * (k - 1) + 1 - 2 * p)
        for s, k, d, p in zip(size, window, dilation, padding, strict=True)
    )
    made = convolution(
        batch, inputs * groups, outputs * groups, size, window, stride, padding, dilation, groups,
        order, weights,
    )  # fmt: skip
    check(made, which, threads=threads)


@pytest.mark.parametrize("which", ROLES)
@pytest.mark.parametrize("order", ["batch", "channels"])
def test_code_for_neon(order, which):
    made = convolution(**CASES["lenet, second"], order=order)
    text = kernel_text(lambda code, p: EMIT[which](code, made, NEON, *p), 4, NEON)
    assert "fmla" in jit.assembly(text, NEON)
