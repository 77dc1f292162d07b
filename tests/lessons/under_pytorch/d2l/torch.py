"""`d2l.torch` for PyTorch, in tests: the sources of `alight/lessons` over the real torch.

They are written on public names alone, so under PyTorch they must import, and give the same numbers.
"""

import importlib
import sys
import types
from pathlib import Path

import torch
import torch.utils.data

PACKAGE = Path(__file__).parents[4] / "alight"


def folder_module(name):
    """A package whose modules are alight's files, without its `__init__`."""
    module = types.ModuleType(name)
    module.__path__ = [str(PACKAGE.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = module


folder_module("alight.vision")
sys.modules.update(
    {
        "alight": torch,
        "alight.nn": torch.nn,
        "alight.nn.functional": torch.nn.functional,
        "alight.data": torch.utils.data,
        "alight.vision.datasets": types.ModuleType("alight.vision.datasets"),
        "alight.vision.transforms": types.ModuleType("alight.vision.transforms"),
    }
)
folder_module("alight.io")
torch.__path__.append(str(PACKAGE))  # for alight.errors, alight.config, alight.lessons
sys.modules["alight.vision"].datasets = sys.modules["alight.vision.datasets"]
sys.modules["alight.vision"].transforms = sys.modules["alight.vision.transforms"]
sys.modules[__name__] = importlib.import_module("alight.lessons")
