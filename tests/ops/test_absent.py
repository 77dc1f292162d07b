"""What alight lacks says so, and names what comes nearest."""

from __future__ import annotations

import pytest

import alight


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sparse_coo_tensor", "try a dense tensor"),
        ("quantize_per_tensor", "try bfloat16"),
        ("symeig", "try torch.linalg.eigh"),
        ("cond", "try Python's own if"),
    ],
)
def test_the_nearest_thing_is_named(name: str, hint: str) -> None:
    assert not hasattr(alight, name)
    with pytest.raises(AttributeError, match=hint):
        getattr(alight, name)


def test_other_names_are_plain_errors() -> None:
    with pytest.raises(AttributeError, match=r"^module 'alight' has no attribute 'condd'$"):
        alight.condd  # noqa: B018


def test_names_that_load_later_are_listed() -> None:
    listed = dir(alight)
    assert {"stft", "special", "autocast", "gcd", "masked", "vmap"} <= set(listed)
    for name in listed:
        assert hasattr(alight, name), name
    assert {"i0", "stft", "frexp"} <= set(dir(alight.Tensor))
