"""Losses against PyTorch: every reduction, gradients of both arguments, errors."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree

from .rows import check, check_error, floats, ints

X, Y = floats(3, 4), floats(3, 4, seed=1)
P, Q = floats(3, 4, low=0.05, high=0.95), floats(3, 4, low=0.05, high=0.95, seed=1)
SIGNS = ints(3, 4, high=2) * 2.0 - 1
W = floats(3, 4, low=0.1, seed=2)
ROWS = {
    "mse": (lambda F, x, y, r: F.mse_loss(x, y, reduction=r), [X, Y]),
    "l1": (lambda F, x, y, r: F.l1_loss(x, y, reduction=r), [X, Y]),
    "smooth_l1": (lambda F, x, y, r: F.smooth_l1_loss(x, y, reduction=r), [X, Y]),
    "smooth_l1 beta": (lambda F, x, y, r: F.smooth_l1_loss(x, y, reduction=r, beta=0.5), [X, Y]),
    "smooth_l1 0": (lambda F, x, y, r: F.smooth_l1_loss(x, y, reduction=r, beta=0.0), [X, Y]),
    "huber": (lambda F, x, y, r: F.huber_loss(x, y, reduction=r), [X, Y]),
    "huber delta": (lambda F, x, y, r: F.huber_loss(x, y, reduction=r, delta=0.6), [X, Y]),
    "bce": (lambda F, x, y, r: F.binary_cross_entropy(x, y, reduction=r), [P, Q]),
    "bce weight": (
        lambda F, x, y, w, r: F.binary_cross_entropy(x, y, w.detach(), reduction=r),
        [P, Q, W],
    ),
    "logits": (lambda F, x, y, r: F.binary_cross_entropy_with_logits(x, y, reduction=r), [X, Q]),
    "logits weights": (
        lambda F, x, y, w, v, r: F.binary_cross_entropy_with_logits(
            x, y, w.detach(), reduction=r, pos_weight=v.detach()
        ),
        [X, Q, W, floats(4, low=0.5)],
    ),
    "kl": (lambda F, x, y, r: F.kl_div(x, y, reduction=r), [X, P]),
    "kl log": (lambda F, x, y, r: F.kl_div(x, y, reduction=r, log_target=True), [X, Y]),
    "poisson": (lambda F, x, y, r: F.poisson_nll_loss(x, y, reduction=r, full=True), [X, P * 5]),
    "poisson rate": (lambda F, x, y, r: F.poisson_nll_loss(x, y, False, reduction=r), [P, Q]),
    "gaussian": (
        lambda F, x, y, v, r: F.gaussian_nll_loss(x, y, v, reduction=r, full=True),
        [X, Y, P],
    ),
    "ranking": (
        lambda F, x, y, t, r: F.margin_ranking_loss(x, y, t.detach(), 0.3, reduction=r),
        [X, Y, SIGNS],
    ),
    "hinge": (lambda F, x, t, r: F.hinge_embedding_loss(x, t.detach(), reduction=r), [X, SIGNS]),
    "soft margin": (lambda F, x, t, r: F.soft_margin_loss(x, t.detach(), reduction=r), [X, SIGNS]),
    "multilabel": (
        lambda F, x, t, r: F.multilabel_soft_margin_loss(x, t.detach(), reduction=r),
        [X, Q],
    ),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name, reduction):
    call, arrays = ROWS[name]
    check(lambda F, *tensors: call(F, *tensors, reduction), arrays, order=2)


def test_batchmean():
    check(lambda F, x, y: F.kl_div(x, y, reduction="batchmean"), [X, P])


def test_older_arguments():
    check(lambda F, x, y: F.mse_loss(x, y, size_average=False), [X, Y])
    check(lambda F, x, y: F.mse_loss(x, y, reduce=False), [X, Y])


def test_broadcast():
    check(lambda F, x, y: F.mse_loss(x, y), [X, floats(3, 1)])
    check(lambda F, x, y: F.huber_loss(x, y), [X, floats(4)])


FEW = ints(3, 4, high=3) + 1
WEIGHTED = {
    "bce": lambda F, x, y, w, r: F.binary_cross_entropy(x, y, w, reduction=r),
    "logits": lambda F, x, y, w, r: F.binary_cross_entropy_with_logits(x, y, w, reduction=r),
    "positive": lambda F, x, y, w, r: F.binary_cross_entropy_with_logits(
        x, y, reduction=r, pos_weight=w
    ),
    "mse": lambda F, x, y, w, r: F.mse_loss(x, y, reduction=r, weight=w),
    "l1": lambda F, x, y, w, r: F.l1_loss(x, y, reduction=r, weight=w),
    "huber": lambda F, x, y, w, r: F.huber_loss(x, y, reduction=r, delta=0.3, weight=w),
    "multilabel": lambda F, x, y, w, r: F.multilabel_soft_margin_loss(x, y, w, reduction=r),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_any_dtype(name, reduction):
    call = WEIGHTED[name]
    for kind in ("LongTensor", "DoubleTensor", "HalfTensor"):
        check(
            lambda F, x, y, w, kind: call(F, x, y, w.type(f"torch.{kind}"), reduction),
            [P, Q, FEW, kind],
            "float32",
        )
    if name in ("mse", "l1", "huber"):
        check(lambda F, x, y, w: call(F, x, y, w, reduction), [P, Q, W], order=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x, y, w: F.mse_loss(x, y, weight=w[0]),
        lambda F, x, y, w: F.l1_loss(x, y, weight=w[0]),
        lambda F, x, y, w: F.huber_loss(x, y, weight=w[0]),
        lambda F, x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w > 1),
        lambda F, x, y, w: F.multi_margin_loss(x, w[:, 0] * 0, weight=w[0]),
    ],
)
def test_wrong_weights(call):
    check_error(call, [P, Q, FEW])


CLASSES = ints(3, high=4)
SPATIAL = ints(2, 3, 2, high=4)
WEIGHT = floats(4, low=0.3)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignore", [-100, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(reduction, ignore, smoothing, weighted):
    def call(F, x, t, w):
        return F.cross_entropy(
            x,
            t,
            w.detach() if weighted else None,
            ignore_index=ignore,
            reduction=reduction,
            label_smoothing=smoothing,
        )

    check(call, [X, CLASSES, WEIGHT], order=2)
    check(call, [floats(2, 4, 3, 2), SPATIAL, WEIGHT])
    check(call, [X, CLASSES, WEIGHT], "float32")
    check(call, [X, CLASSES, WEIGHT], "float16")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities(reduction, smoothing, weighted):
    def call(F, x, t, w):
        return F.cross_entropy(
            x, t, w.detach() if weighted else None, reduction=reduction, label_smoothing=smoothing
        )

    check(call, [X, P, WEIGHT], order=2)
    check(call, [floats(2, 4, 3), floats(2, 4, 3, low=0, high=1), WEIGHT])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll(reduction):
    check(lambda F, x, t: F.nll_loss(x, t, reduction=reduction), [X, CLASSES], order=2)
    check(
        lambda F, x, t, w: F.nll_loss(x, t, w.detach(), reduction=reduction), [X, CLASSES, WEIGHT]
    )
    check(
        lambda F, x, t: F.nll_loss(x, t, ignore_index=1, reduction=reduction),
        [floats(2, 4, 3, 2), SPATIAL],
    )
    check(lambda F, x, t: F.nll_loss(x[0], t[0], reduction=reduction), [X, CLASSES])
    check(lambda F, x, t: F.cross_entropy(x[0], t[0], reduction=reduction), [X, CLASSES])


def test_all_ignored_is_nan():
    check(lambda F, x, t: F.cross_entropy(x, t * 0 + 1, ignore_index=1), [X, CLASSES])


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x, t: F.cross_entropy(x, t[:2]),
        lambda F, x, t: F.cross_entropy(x, t + 4),
        lambda F, x, t: F.cross_entropy(x, t.float()),
        lambda F, x, t: F.cross_entropy(x, t.reshape(3, 1)),
        lambda F, x, t: F.cross_entropy(x, x.detach().long()),
        lambda F, x, t: F.cross_entropy(x, t, label_smoothing=2.0),
        lambda F, x, t: F.cross_entropy(x, t, x.detach()[0, :3]),
        lambda F, x, t: F.nll_loss(x, t, reduction="other"),
        lambda F, x, t: F.binary_cross_entropy(x.sigmoid(), x[:, :2]),
        lambda F, x, t: F.binary_cross_entropy_with_logits(x, x[:, :2]),
        lambda F, x, t: F.mse_loss(x, x[:, :2]),
        lambda F, x, t: F.huber_loss(x, x, delta=0.0),
    ],
)
def test_errors(call):
    check_error(call, [X, CLASSES])


@pytest.mark.parametrize(
    "arguments",
    [
        "x, x.detach().double() / 12",
        "x.double(), x.detach() / 12",
        "x, x.detach() / 12, weight=v.detach().double()",
        "x, x.detach() / 12, weight=v.detach().double(), label_smoothing=0.1",
        "x, x.double() / 12, reduction='none'",
    ],
)
def test_cross_entropy_of_probabilities_in_several_dtypes(arguments):
    agree(f"torch.nn.functional.cross_entropy({arguments})")
    agree("torch.nn.functional.cross_entropy(x.half(), x.detach() / 12).dtype")
