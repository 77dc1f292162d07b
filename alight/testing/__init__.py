"""torch.testing: assert_close, and tensors for tests."""

from alight.offered import listing
from alight.testing.comparison import assert_allclose, assert_close
from alight.testing.making import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

__dir__ = listing(globals())
