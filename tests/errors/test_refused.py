"""Calls that operations refuse, by their docstrings' lines of errors: PyTorch's type and first line.

refused.txt has one call a line. `test_errors.py` has the whole texts of common mistakes.
"""

import warnings
from pathlib import Path

import pytest
import torch

import alight

CALLS = Path(__file__).with_name("refused.txt").read_text().splitlines()
ANOTHER_CHECK = "two things are wrong with the call, and another one is found first"
WORDS = "the same type and meaning; PyTorch's words are those of a kernel, or of its printing"
DIFFERS = {  # first lines that are not PyTorch's
    "torch.addbmm(torch.ones(2), torch.ones(2, 2, 2), torch.ones(3, 3, 3))": ANOTHER_CHECK,
    "torch.baddbmm(torch.ones(2), torch.ones(2, 2, 2), torch.ones(3, 3, 3))": ANOTHER_CHECK,
    "torch.convolution(torch.ones(2), torch.ones(1, 1, 1), None, [1], [0], [1], False, [0], 1)": ANOTHER_CHECK,
    "torch.linalg.vecdot(torch.ones(2), torch.ones(3))": ANOTHER_CHECK,
    "F.avg_pool1d(torch.ones(1, 2), 3)": ANOTHER_CHECK,
    "F.lp_pool1d(torch.ones(1, 2), 2, 3)": ANOTHER_CHECK,
    "F.prelu(torch.ones(2, 2), torch.ones(2, 2))": ANOTHER_CHECK,
    "F.scaled_dot_product_attention(torch.ones(2, 3), torch.ones(2, 4), torch.ones(2, 4))": ANOTHER_CHECK,
    "torch.tril_indices(-1, 2)": ANOTHER_CHECK,
    "torch.cholesky(-torch.eye(2))": WORDS,
    "torch.conv_transpose1d(torch.ones(1, 1, 3), torch.ones(1, 1, 1), output_padding=3)": WORDS,
    "torch.linalg.cond(torch.ones(2))": WORDS,
    "torch.linalg.cond(torch.ones(2, 3), 1)": WORDS,
    "torch.linalg.matrix_rank(torch.ones(2))": WORDS,
    "torch.linalg.pinv(torch.ones(2))": WORDS,
    "torch.meshgrid(torch.ones(1, 1), indexing='ij')": WORDS,
    "F.binary_cross_entropy_with_logits(torch.ones(2).int(), torch.ones(2).int())": WORDS,
    "F.hinge_embedding_loss(torch.ones(2), torch.ones(3))": WORDS,
    "F.multilabel_soft_margin_loss(torch.ones(2, 2), torch.ones(2, 3))": WORDS,
    "F.rms_norm(torch.ones(2, 2), (3, ))": WORDS,
    "torch.zeros(2).set_(torch.ones(2).int())": WORDS,
}


def refusal(call, library):
    """(type, first line) of what a call raises, its values computed."""
    try:
        repr(eval(call, {"torch": library, "F": library.nn.functional}))
    except Exception as error:
        return type(error).__name__.lstrip("_"), str(error).split("\n")[0]
    return "nothing", ""


@pytest.mark.parametrize("call", CALLS)
def test_type_and_first_line_are_pytorchs(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old forms say that they are old
        theirs, ours = refusal(call, torch), refusal(call, alight)
    assert theirs[0] == ours[0] != "nothing"
    if call in DIFFERS:
        assert theirs != ours, "no longer differs"
    else:
        assert theirs == ours


def test_no_reason_is_left_over():
    assert set(DIFFERS) <= set(CALLS)
