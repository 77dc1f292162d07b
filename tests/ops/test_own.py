"""Operations, and gradients of operations, that PyTorch lacks, beside the same in operations that it has.

docs/adding-an-operation.md sends new rows here: the program under alight, and what PyTorch runs in its place.
"""

from __future__ import annotations

import warnings

import pytest

import alight
from tests.ops.rows import agree

ROWS = [
    ("torch.special.chebyshev_polynomial_t(v, 3)", "4 * v**3 - 3 * v"),
    ("torch.special.legendre_polynomial_p(v, 2)", "(3 * v * v - 1) / 2"),
    ("torch.nanmean(x, dim=(0, 1))", "x.mean((0, 1))"),
]


@pytest.mark.parametrize(("program", "theirs"), ROWS)
def test_as_in_other_words(program: str, theirs: str) -> None:
    agree(program, theirs=theirs)


@pytest.mark.parametrize("name", ["randn", "rand", "zeros", "empty"])
def test_a_misspelt_keyword_is_an_error(name: str) -> None:
    with pytest.raises(TypeError, match="requires_gard"):
        getattr(alight, name)(3, requires_gard=True)


def test_warnings_stand_at_the_line_of_the_call() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alight.nn.functional.mse_loss(alight.zeros(4, 1), alight.zeros(4))
        alight.nn.functional.softmax(alight.zeros(2))
        alight.tensor(alight.zeros(2))
        alight.zeros(1).new_tensor(alight.zeros(2))
        alight.meshgrid(alight.zeros(2), alight.zeros(2))
        alight.zeros(2, 2, 2).T, alight.zeros(2).T, alight.zeros(()).T
        assert (alight.zeros(2, requires_grad=True) * 2).grad is None
    assert [(warning.filename, warning.category) for warning in caught] == [
        (__file__, UserWarning)
    ] * 9


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [("", "zeroes", "zeros"), ("nn", "Linar", "Linear"), ("optim", "Adamm", "Adam")],
)
def test_misspelt_names(module: str, name: str, meant: str) -> None:
    place = getattr(alight, module) if module else alight
    with pytest.raises(AttributeError) as caught:
        getattr(place, name)
    assert (
        caught.value.name == name and caught.value.obj is place
    )  # what Python makes suggestions of
    assert module or str(caught.value).endswith(f"try torch.{meant}")
    assert hasattr(place, meant)
