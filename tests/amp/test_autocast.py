"""torch.autocast and GradScaler: the dtype of every operation, gradients, nesting, state."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

import alight

OPERATIONS = [
    "F.linear(x, x)", "x @ x", "torch.mm(x, x)", "x.addmm(x, x)", "torch.bmm(x[None], x[None])", "F.conv1d(x[:, None], w)",
    "torch.relu(x)", "F.layer_norm(x, (4,))", "torch.softmax(h, 1)", "F.cross_entropy(h, t)", "F.mse_loss(h, h)",
    "torch.cat([x, h])", "torch.stack([x, h])", "x + h", "x.double() @ x.double()", "torch.einsum('ij,jk->ik', x, x)",
    "F.scaled_dot_product_attention(x[None], x[None], x[None])", "h.prod()", "h.sum()", "x[0].dot(x[0])", "torch.mv(x, x[0])",
    "F.binary_cross_entropy_with_logits(h, h)", "torch.log_softmax(h, 1)", "torch.cdist(h, h)", "F.prelu(x, x[0, :1])",
    "h.trace()", "h ** 2", "F.l1_loss(h, h)", "torch.inverse((h @ h.T) + torch.eye(4))", "torch.outer(x[0], x[0])",
    "torch.tensordot(x, x, 1)", "torch.linalg.multi_dot([x, x, x])", "F.kl_div(h, h, reduction='sum')", "F.gelu(h)",
]  # fmt: skip


def _scope(library: Any) -> dict[str, Any]:
    x = (library.arange(16.0).reshape(4, 4) - 7) / 8
    x = x.requires_grad_()
    return {
        "torch": library, "F": library.nn.functional, "x": x, "h": x.detach().to(library.bfloat16),
        "w": library.ones(2, 1, 2), "t": library.tensor([0, 1, 2, 0]),
    }  # fmt: skip


@pytest.mark.parametrize("program", OPERATIONS)
@pytest.mark.parametrize("of", ["bfloat16", "float16"])
def test_dtypes(program: str, of: str) -> None:
    found = []
    for library in (alight, torch):
        with warnings.catch_warnings(), library.autocast("cpu", dtype=getattr(library, of)):
            warnings.simplefilter("ignore")
            try:
                found.append(str(eval(program, _scope(library)).dtype))
            except RuntimeError as error:
                found.append(type(error).__name__)
    assert found[0] == found[1]


def _step(library: Any) -> tuple[Any, Any]:
    scope = _scope(library)
    with library.autocast("cpu"):
        hidden = library.relu(scope["F"].linear(scope["x"], scope["x"]))
        loss = scope["F"].cross_entropy(hidden, scope["t"])
    loss.backward()
    return loss.item(), scope["x"].grad


def test_gradients_come_back_in_float32() -> None:
    (ours, our_grad), (theirs, their_grad) = _step(alight), _step(torch)
    assert ours == pytest.approx(theirs, rel=1e-2)
    assert our_grad.dtype is alight.float32
    assert torch.allclose(torch.from_numpy(our_grad.numpy()), their_grad, atol=1e-2)


def test_blocks_nest_and_functions_are_decorated() -> None:
    x = alight.ones(2, 2)

    @alight.autocast("cpu", dtype=alight.float16)
    def product() -> Any:
        return x @ x

    with alight.amp.autocast("cpu"):
        assert (x @ x).dtype is alight.bfloat16 and alight.is_autocast_enabled("cpu")
        assert alight.get_autocast_dtype("cpu") is alight.bfloat16
        with alight.autocast("cpu", enabled=False):
            assert (x @ x).dtype is alight.float32
        assert product().dtype is alight.float16
        with alight.no_grad():
            assert (x @ x).dtype is alight.bfloat16
    assert (x @ x).dtype is alight.float32 and not alight.is_autocast_enabled("cpu")


@pytest.mark.parametrize("library", [alight, torch], ids=["alight", "torch"])
def test_what_cannot_be_is_switched_off_with_a_warning(library: Any) -> None:
    x = library.ones(2, 2)
    with pytest.warns(UserWarning, match="CUDA is not available"):
        block = library.autocast("cuda", dtype=library.float16)
    with block:
        assert (x @ x).dtype is library.float32
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        library.autocast("cpu", dtype=library.float64)
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available"):
        assert not library.amp.GradScaler().is_enabled()
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        library.autocast(3)


def _scaled(library: Any) -> list[Any]:
    w = library.ones(2, requires_grad=True)
    optimizer = library.optim.SGD([w], lr=0.5)
    scaler = library.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    seen = []
    for factor in (1.0, float("inf"), 2.0, 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append((w.tolist(), scaler.get_scale()))
    return [*seen, scaler.state_dict()]


def test_scaler() -> None:
    assert _scaled(alight) == _scaled(torch)


def test_scaler_errors() -> None:
    w = alight.ones(1, requires_grad=True)
    optimizer = alight.optim.SGD([w], lr=1.0)
    scaler = alight.amp.GradScaler("cpu")
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
        scaler.step(optimizer)


def test_older_forms() -> None:
    alight.set_autocast_cpu_dtype(alight.float16)
    alight.set_autocast_cpu_enabled(True)
    try:
        assert alight.is_autocast_cpu_enabled()
        assert (alight.ones(2, 2) @ alight.ones(2, 2)).dtype is alight.float16
    finally:
        alight.set_autocast_cpu_enabled(False)
        alight.set_autocast_cpu_dtype(alight.bfloat16)
    assert alight.get_autocast_cpu_dtype() is alight.bfloat16


def test_transformed_functions_are_cast_too() -> None:
    x = alight.ones(3, 2, 2)
    with alight.autocast("cpu"):
        assert alight.vmap(lambda a: a @ a)(x).dtype is alight.bfloat16
        gradient = alight.func.grad(lambda a: (a @ a).float().sum())(x[0])
    assert gradient.dtype is alight.float32
