"""Every layer against PyTorch: its text, its parameters from one seed bit for bit, results, gradients, running state."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import alight

from .rows import floats, ints

IMAGE, SERIES, VOLUME, ROWS2 = (
    floats(2, 4, 6, 6),
    floats(2, 4, 7),
    floats(2, 4, 4, 4, 4),
    floats(3, 8),
)
LAYERS = {
    "Linear(8, 3)": [ROWS2],
    "Linear(8, 3, bias=False)": [ROWS2],
    "Bilinear(8, 4, 3)": [ROWS2, floats(3, 4)],
    "Identity()": [ROWS2],
    "Conv1d(4, 6, 3)": [SERIES],
    "Conv1d(4, 6, 3, padding=2, padding_mode='reflect')": [SERIES],
    "Conv2d(4, 6, 3)": [IMAGE],
    "Conv2d(4, 6, (3, 2), stride=2, padding=1, bias=False)": [IMAGE],
    "Conv2d(4, 6, 3, padding='same', dilation=2, groups=2)": [IMAGE],
    "Conv2d(4, 6, 3, padding=1, padding_mode='circular')": [IMAGE],
    "Conv2d(4, 6, 3, padding=(1, 2), padding_mode='replicate')": [IMAGE],
    "Conv3d(4, 2, 2)": [VOLUME],
    "ConvTranspose1d(4, 6, 3, stride=2)": [SERIES],
    "ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)": [IMAGE],
    "ConvTranspose3d(4, 2, 2)": [VOLUME],
    "MaxPool1d(2)": [SERIES],
    "MaxPool2d(2)": [IMAGE],
    "MaxPool2d(3, stride=2, padding=1, ceil_mode=True)": [IMAGE],
    "MaxPool3d(2)": [VOLUME],
    "AvgPool1d(2)": [SERIES],
    "AvgPool2d(2, stride=1, padding=1, count_include_pad=False)": [IMAGE],
    "AvgPool3d(2)": [VOLUME],
    "LPPool2d(2, 2)": [np.abs(IMAGE) + 0.1],
    "AdaptiveAvgPool1d(3)": [SERIES],
    "AdaptiveAvgPool2d((2, 3))": [IMAGE],
    "AdaptiveAvgPool2d(1)": [IMAGE],
    "AdaptiveMaxPool2d(3)": [IMAGE],
    "BatchNorm1d(8)": [ROWS2],
    "BatchNorm1d(4)": [SERIES],
    "BatchNorm2d(4)": [IMAGE],
    "BatchNorm2d(4, momentum=None)": [IMAGE],
    "BatchNorm2d(4, affine=False)": [IMAGE],
    "BatchNorm2d(4, track_running_stats=False)": [IMAGE],
    "BatchNorm3d(4)": [VOLUME],
    "InstanceNorm1d(4)": [SERIES],
    "InstanceNorm2d(4, affine=True, track_running_stats=True)": [IMAGE],
    "LayerNorm(8)": [ROWS2],
    "LayerNorm([6, 6], bias=False)": [IMAGE],
    "LayerNorm(8, elementwise_affine=False)": [ROWS2],
    "GroupNorm(2, 4)": [IMAGE],
    "GroupNorm(4, 4, affine=False)": [IMAGE],
    "RMSNorm(8)": [ROWS2],
    "RMSNorm((6, 6), eps=1e-3)": [IMAGE],
    "LocalResponseNorm(3)": [IMAGE],
    "Embedding(9, 5)": [ints(3, 4, high=9)],
    "Embedding(9, 5, padding_idx=2)": [ints(3, 4, high=9)],
    "Embedding(9, 5, padding_idx=-1, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)": [
        ints(3, 4, high=9)
    ],
    "EmbeddingBag(9, 5)": [ints(3, 4, high=9)],
    "EmbeddingBag(9, 5, mode='sum')": [ints(3, 4, high=9)],
    "Dropout(0.0)": [ROWS2],
    "Dropout2d(0.0)": [IMAGE],
    "AlphaDropout(0.0)": [ROWS2],
    "ReLU()": [ROWS2],
    "ReLU(inplace=True)": [ROWS2],
    "ReLU6()": [ROWS2],
    "LeakyReLU(0.2)": [ROWS2],
    "PReLU()": [ROWS2],
    "PReLU(8, init=0.1)": [ROWS2],
    "RReLU(0.25, 0.25)": [ROWS2],
    "ELU(0.5)": [ROWS2],
    "CELU()": [ROWS2],
    "SELU()": [ROWS2],
    "GELU()": [ROWS2],
    "GELU('tanh')": [ROWS2],
    "SiLU()": [ROWS2],
    "Mish()": [ROWS2],
    "Hardswish()": [ROWS2],
    "Hardsigmoid()": [ROWS2],
    "Hardtanh(-0.5, 0.5)": [ROWS2],
    "Hardshrink()": [ROWS2],
    "Softshrink()": [ROWS2],
    "Softplus()": [ROWS2],
    "Softsign()": [ROWS2],
    "Sigmoid()": [ROWS2],
    "Tanh()": [ROWS2],
    "Tanhshrink()": [ROWS2],
    "Threshold(0.1, 20)": [ROWS2],
    "LogSigmoid()": [ROWS2],
    "GLU()": [ROWS2],
    "Softmax(dim=1)": [ROWS2],
    "Softmin(dim=1)": [ROWS2],
    "LogSoftmax(dim=1)": [ROWS2],
    "Softmax2d()": [IMAGE],
    "Flatten()": [IMAGE],
    "Flatten(0, 1)": [IMAGE],
    "Unflatten(1, (2, 4))": [ROWS2],
    "Unfold(2)": [IMAGE],
    "Fold((6, 6), 3)": [floats(2, 9, 16)],
    "PixelShuffle(2)": [IMAGE],
    "PixelUnshuffle(2)": [IMAGE],
    "ChannelShuffle(2)": [IMAGE],
    "ZeroPad2d(1)": [IMAGE],
    "ConstantPad1d((1, 2), 3.5)": [SERIES],
    "ReflectionPad2d((1, 2, 0, 3))": [IMAGE],
    "ReplicationPad3d(1)": [VOLUME],
    "CircularPad1d(2)": [SERIES],
    "Upsample(scale_factor=2)": [IMAGE],
    "Upsample(size=(4, 9), mode='bilinear')": [IMAGE],
    "UpsamplingBilinear2d(scale_factor=2)": [IMAGE],
    "Upsample(scale_factor=1.5, mode='bicubic', align_corners=True)": [IMAGE],
    "CosineSimilarity()": [ROWS2, floats(3, 8, seed=1)],
    "PairwiseDistance()": [ROWS2, floats(3, 8, seed=1)],
    "MSELoss()": [ROWS2, floats(3, 8, seed=1)],
    "L1Loss(reduction='sum')": [ROWS2, floats(3, 8, seed=1)],
    "SmoothL1Loss(beta=0.5)": [ROWS2, floats(3, 8, seed=1)],
    "HuberLoss(delta=0.5)": [ROWS2, floats(3, 8, seed=1)],
    "CrossEntropyLoss(label_smoothing=0.1)": [ROWS2, ints(3, high=8)],
    "NLLLoss(ignore_index=1)": [ROWS2, ints(3, high=8)],
    "BCEWithLogitsLoss()": [ROWS2, floats(3, 8, low=0, high=1)],
    "KLDivLoss(reduction='batchmean', log_target=True)": [ROWS2, floats(3, 8, seed=1)],
    "MultiMarginLoss(p=2, margin=0.5)": [ROWS2, ints(3, high=8)],
    "TripletMarginLoss(swap=True)": [ROWS2, floats(3, 8, seed=1), floats(3, 8, seed=2)],
    "CosineEmbeddingLoss(margin=0.1)": [ROWS2, floats(3, 8, seed=1), np.array([1, -1, 1])],
    "MarginRankingLoss(0.5)": [floats(3), floats(3, seed=1), np.array([1, -1, 1])],
    "HingeEmbeddingLoss()": [floats(3), np.array([1, -1, 1])],
}


def build(library, text, arrays, dtype):
    library.manual_seed(7)
    layer = eval("nn." + text, {"nn": library.nn})
    layer = layer.to(getattr(library, dtype))
    tensors = []
    for array in arrays:
        of = getattr(library, dtype) if array.dtype.kind == "f" else library.int64
        tensors.append(
            library.tensor(array.tolist(), dtype=of, requires_grad=array.dtype.kind == "f")
        )
    return layer, tensors


def run(library, text, arrays, dtype="float64"):
    layer, tensors = build(library, text, arrays, dtype)
    results = {"text": repr(layer), "names": [name for name, _ in layer.named_parameters()]}
    results["states"] = list(layer.state_dict())
    # an input that a layer writes in place must not be a leaf
    inputs = [one * 1 if one.requires_grad else one for one in tensors]
    for turn in range(1 if "inplace" in text else 2):
        out = layer(*inputs)
        results[f"out {turn}"] = out.tolist()
    (out * out).sum().backward()
    results["grads"] = [None if one.grad is None else one.grad.tolist() for one in tensors]
    results["parameter grads"] = [
        None if one.grad is None else one.grad.tolist() for one in layer.parameters()
    ]
    results["state"] = [one.tolist() for one in layer.state_dict().values()]
    layer.eval()
    results["eval"] = layer(*[one.detach() for one in tensors]).tolist()
    return results


def close(a, b, limit):
    if (
        isinstance(b, str)
        or b is None
        or (isinstance(b, list) and b and (isinstance(b[0], str) or b[0] is None))
    ):
        assert a == b
    elif isinstance(b, list) and b and isinstance(b[0], list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            close(x, y, limit)
    else:
        np.testing.assert_allclose(np.array(a, float), np.array(b, float), rtol=limit, atol=limit)


@pytest.mark.parametrize("text", LAYERS)
def test_layer(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = run(alight, text, LAYERS[text]), run(torch, text, LAYERS[text])
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        try:
            close(ours[key], value, 2e-7)
        except AssertionError as error:
            raise AssertionError(f"{key}: {error}") from None


RANDOM = [
    "Linear(784, 256)",
    "Bilinear(5, 4, 3)",
    "Conv1d(3, 5, 3)",
    "Conv2d(1, 6, 5)",
    "Conv2d(4, 6, (3, 2), groups=2)",
    "Conv3d(2, 3, 2)",
    "ConvTranspose2d(4, 6, 3)",
    "Embedding(11, 7)",
    "Embedding(11, 7, padding_idx=3)",
    "EmbeddingBag(11, 7)",
    "BatchNorm2d(3)",
    "LayerNorm(5)",
    "PReLU(3)",
]


@pytest.mark.parametrize("text", RANDOM)
def test_random_parameters_bit_for_bit(text):
    states = []
    for library in (alight, torch):
        library.manual_seed(3)
        layer = eval("nn." + text, {"nn": library.nn})
        state = {
            key: (repr(value.dtype), value.tolist()) for key, value in layer.state_dict().items()
        }
        states.append((state, library.rand(1).item()))
    assert states[0] == states[1]


INITS = {
    "uniform_": {"a": -1.0, "b": 2.0},
    "normal_": {"mean": 1.0, "std": 0.5},
    "constant_": {"val": 3.0},
    "ones_": {},
    "zeros_": {},
    "xavier_uniform_": {"gain": 1.5},
    "xavier_normal_": {},
    "kaiming_uniform_": {"nonlinearity": "relu"},
    "kaiming_normal_": {"mode": "fan_out", "a": 0.1},
    "trunc_normal_": {"std": 0.7, "a": -1.0, "b": 1.5},
}


@pytest.mark.parametrize("name", INITS)
@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 2, 2)])
def test_init(name, shape):
    found = []
    for library in (alight, torch):
        library.manual_seed(1)
        made = library.nn.Parameter(library.empty(shape))
        result = getattr(library.nn.init, name)(made, **INITS[name])
        assert result is made and made.requires_grad
        found.append((made.tolist(), library.rand(1).item()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "shape", "settings", "limit"),
    [
        ("eye_", (3, 5), {}, 0),
        ("dirac_", (4, 2, 3, 3), {"groups": 2}, 0),
        ("orthogonal_", (3, 5), {"gain": 2.0}, 1e-5),
        ("orthogonal_", (5, 3), {}, 1e-5),
        ("orthogonal_", (4, 2, 3), {}, 1e-5),
        ("sparse_", (6, 4), {"sparsity": 0.4}, 0),
        ("trunc_normal_", (40, 4), {"mean": 0.0, "std": 1.0, "a": 1.5, "b": 4.0}, 1e-6),
    ],
)
def test_init_of_matrices(name, shape, settings, limit):
    found = []
    for library in (alight, torch):
        library.manual_seed(1)
        made = getattr(library.nn.init, name)(library.empty(shape), **settings)
        found.append(made.tolist())
    np.testing.assert_allclose(found[0], found[1], atol=limit)


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ("LazyLinear(3)", ROWS2),
        ("LazyConv2d(3, 2)", IMAGE),
        ("LazyConvTranspose2d(3, 2)", IMAGE),
        ("LazyBatchNorm2d()", IMAGE),
        ("LazyInstanceNorm2d()", IMAGE),
    ],
)
def test_lazy(text, array):
    found = []
    for library in (alight, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library.manual_seed(0)
            layer = eval("nn." + text, {"nn": library.nn})
            before = repr(layer)
            names = [name for name, _ in layer.named_parameters()]
            optimizer = library.optim.SGD(layer.parameters(), lr=0.1) if names else None
            out = layer(library.tensor(array.tolist()))
            out.sum().backward() if names else None
            if optimizer is not None:
                optimizer.step()
            found.append(
                (before, repr(layer), names, [one.tolist() for one in layer.state_dict().values()])
            )
    assert found[0][:3] == found[1][:3]
    for a, b in zip(found[0][3], found[1][3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Conv2d(3, 4, 3, groups=2),
        lambda nn: nn.Conv2d(4, 3, 3, groups=2),
        lambda nn: nn.Conv2d(4, 4, 3, groups=0),
        lambda nn: nn.Conv2d(4, 4, 3, stride=2, padding="same"),
        lambda nn: nn.Dropout(1.5),
        lambda nn: nn.Embedding(3, 4, padding_idx=3),
        lambda nn: nn.Unflatten(1, 3),
        lambda nn: nn.Linear(2, 3)(1.0),
        lambda nn: nn.GroupNorm(2, 3),
    ],
)
def test_errors(make):
    found = []
    for library in (alight, torch):
        try:
            make(library.nn)
            found.append("none")
        except Exception as error:
            found.append((type(error).__name__, str(error).split("\n")[0]))
    assert found[0] == found[1]
