"""What docstrings say of errors and shapes (promises.txt: an expression, `#`, what comes of it) is so here and in PyTorch."""

import warnings
from pathlib import Path

import pytest

import alight
import alight.io.safetensors
import alight.nn.utils.parametrizations
import alight.nn.utils.prune
import alight.vision.models
import alight.vision.ops

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.parametrizations")
pytest.importorskip("torch.nn.utils.prune")

ALONE = {"vision": alight.vision, "safetensors": alight.io.safetensors}
TEXT = Path(__file__).with_name("promises.txt").read_text()
PROMISES = [
    tuple(part.strip() for part in line.rsplit("  # ", 1))
    for line in TEXT.splitlines()
    if line and not line.startswith("#")
]


def outcome(source, library):
    """The name of the error that an expression raises, or its value's printed form."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(eval(source, {"torch": library, "nn": library.nn, **ALONE}))
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize(("source", "promised"), PROMISES)
def test_promises(source, promised):
    if not source.startswith(tuple(ALONE)):
        assert outcome(source, torch) == promised
    assert outcome(source, alight) == promised


def test_device_is_a_context():
    with alight.device("cpu"):
        assert alight.ones(2).device == alight.device("cpu")
    with pytest.raises(NotImplementedError, match="device='cuda'"), alight.device("cuda"):
        pass
