"""Convolution, pooling, unfold and fold against PyTorch: values, first and second gradients, errors."""

from __future__ import annotations

import pytest

from .rows import check, check_error, floats

CONV = {
    "plain": (floats(2, 3, 7, 6), floats(4, 3, 3, 2), floats(4), {}),
    "no bias": (floats(2, 3, 7, 6), floats(4, 3, 3, 2), None, {}),
    "unbatched": (floats(3, 7, 6), floats(4, 3, 3, 2), floats(4), {}),
    "stride": (floats(2, 3, 7, 6), floats(4, 3, 3, 2), floats(4), {"stride": 2}),
    "padding": (floats(2, 3, 7, 6), floats(4, 3, 3, 2), floats(4), {"padding": (1, 2)}),
    "dilation": (floats(2, 3, 7, 6), floats(4, 3, 3, 2), floats(4), {"dilation": (2, 3)}),
    "groups": (floats(2, 4, 7, 6), floats(6, 2, 3, 2), floats(6), {"groups": 2}),
    "depthwise": (floats(2, 4, 7, 6), floats(8, 1, 3, 3), floats(8), {"groups": 4, "padding": 1}),
    "same": (floats(2, 3, 7, 6), floats(4, 3, 4, 2), floats(4), {"padding": "same", "dilation": 2}),
    "valid": (
        floats(2, 3, 7, 6),
        floats(4, 3, 4, 2),
        floats(4),
        {"padding": "valid", "stride": [2, 1]},
    ),
    "all": (
        floats(2, 4, 9, 8),
        floats(6, 2, 3, 2),
        floats(6),
        {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2},
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("name", CONV)
def test_conv2d(name, dtype):
    x, w, b, rest = CONV[name]
    call = lambda F, x, w, b: F.conv2d(x, w, b, **rest)  # noqa: E731
    check(
        call, [x, w, b], dtype, 2 if dtype == "float64" else 1, 1e-4 if dtype == "float32" else None
    )


def test_conv1d_and_conv3d():
    check(
        lambda F, *a: F.conv1d(*a, stride=2, padding=1),
        [floats(2, 3, 8), floats(4, 3, 3), floats(4)],
        order=2,
    )
    check(
        lambda F, *a: F.conv3d(*a, padding=1),
        [floats(2, 3, 4, 3, 5), floats(2, 3, 2, 3, 2), floats(2)],
        order=2,
    )


TRANSPOSED = [
    {},
    {"stride": 2},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": (2, 3), "dilation": (2, 1), "padding": (0, 1), "output_padding": (1, 2)},
]


@pytest.mark.parametrize("rest", TRANSPOSED)
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_transpose2d(rest, groups):
    arrays = [floats(2, 4, 4, 3), floats(4, 3, 3, 2), floats(3 * groups)]
    check(lambda F, *a: F.conv_transpose2d(*a, groups=groups, **rest), arrays, order=2)


def test_conv_transpose_of_other_ranks():
    check(
        lambda F, *a: F.conv_transpose1d(*a, stride=3, padding=1),
        [floats(2, 3, 5), floats(3, 2, 4), floats(2)],
    )
    check(
        lambda F, *a: F.conv_transpose3d(*a, stride=2),
        [floats(1, 2, 2, 3, 2), floats(2, 2, 2, 2, 3), floats(2)],
    )
    check(lambda F, *a: F.conv_transpose2d(*a), [floats(3, 4, 4), floats(3, 2, 2, 2)])


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x, w: F.conv2d(x.permute(0, 2, 3, 1), w),
        lambda F, x, w: F.conv2d(x[0, 0], w),
        lambda F, x, w: F.conv2d(x[:, :, :2], w),
        lambda F, x, w: F.conv2d(x, w, groups=3),
        lambda F, x, w: F.conv2d(x, w, x[0, 0, 0]),
        lambda F, x, w: F.conv2d(x.double(), w),
        lambda F, x, w: F.conv2d(x, w, stride=0),
        lambda F, x, w: F.conv2d(x, w, stride=2, padding="same"),
        lambda F, x, w: F.conv2d(x, w, padding=-1),
        lambda F, x, w: F.conv2d(x, w, stride=(1, 1, 1)),
        lambda F, x, w: F.conv_transpose2d(x, w),
    ],
)
def test_conv_errors(call):
    check_error(call, [floats(2, 3, 7, 6), floats(4, 3, 3, 2)])


POOL = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
]


@pytest.mark.parametrize("rest", POOL)
def test_max_pool2d(rest):
    x = floats(2, 3, 8, 7)
    check(lambda F, x: F.max_pool2d(x, **rest), [x], order=2)
    check(lambda F, x: F.max_pool2d(x, return_indices=True, **rest), [x])
    check(lambda F, x: F.max_pool2d(x[0], dilation=(1, 2), **rest), [x])


@pytest.mark.parametrize("rest", POOL)
@pytest.mark.parametrize("include", [True, False])
def test_avg_pool2d(rest, include):
    x = floats(2, 3, 8, 7)
    check(lambda F, x: F.avg_pool2d(x, count_include_pad=include, **rest), [x], order=2)
    check(lambda F, x: F.avg_pool2d(x, divisor_override=5, **rest), [x])


def test_pools_of_other_ranks():
    check(lambda F, x: F.max_pool1d(x, 3, 2, 1), [floats(2, 3, 9)])
    check(lambda F, x: F.avg_pool1d(x, 3, 2, 1), [floats(2, 3, 9)])
    check(lambda F, x: F.avg_pool1d(x, 3, 2, 1, True, False), [floats(2, 3, 10)])
    check(lambda F, x: F.max_pool3d(x, 2), [floats(1, 2, 4, 4, 5)])
    check(lambda F, x: F.avg_pool3d(x, 2), [floats(1, 2, 4, 4, 5)])
    check(lambda F, x: F.lp_pool2d(x.abs(), 2, 2), [floats(1, 2, 4, 4)])
    check(lambda F, x: F.lp_pool1d(x, 3.0, 2), [floats(2, 4, low=0.1)])


@pytest.mark.parametrize("size", [1, 2, 3, (2, 3), (None, 2), (8, 7), (10, 3)])
def test_adaptive(size):
    x = floats(2, 3, 8, 7)
    check(lambda F, x: F.adaptive_avg_pool2d(x, size), [x], order=2)
    check(lambda F, x: F.adaptive_max_pool2d(x, size, return_indices=True), [x])
    check(lambda F, x: F.adaptive_max_pool2d(x, size), [x])


def test_adaptive_of_other_ranks():
    check(lambda F, x: F.adaptive_avg_pool1d(x, 3), [floats(2, 7)])
    check(lambda F, x: F.adaptive_max_pool1d(x, 3), [floats(2, 7)])
    check(lambda F, x: F.adaptive_avg_pool3d(x, (2, 1, 3)), [floats(2, 3, 4, 5)])
    check(lambda F, x: F.adaptive_max_pool3d(x, (2, 1, 3)), [floats(2, 3, 4, 5)])


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x: F.max_pool2d(x, 9),
        lambda F, x: F.max_pool2d(x, 2, padding=2),
        lambda F, x: F.avg_pool2d(x, 2, divisor_override=0),
        lambda F, x: F.max_pool2d(x, 2, stride=0),
    ],
)
def test_pool_errors(call):
    check_error(call, [floats(2, 3, 8, 7)])


FOLD = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"dilation": (2, 1), "padding": (1, 2), "stride": (1, 2)},
]


@pytest.mark.parametrize("rest", FOLD)
def test_unfold_and_fold(rest):
    check(lambda F, x: F.unfold(x, (2, 3), **rest), [floats(2, 3, 5, 6)], order=2)
    check(
        lambda F, x: F.fold(F.unfold(x, (2, 3), **rest), (5, 6), (2, 3), **rest),
        [floats(2, 3, 5, 6)],
    )
