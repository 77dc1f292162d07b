"""torch.utils.data: all of alight.data under PyTorch's name."""

from alight.data import *  # noqa: F403
from alight.data import __all__  # noqa: F401
