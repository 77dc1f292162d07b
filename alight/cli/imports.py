"""Imports of torch, torchvision and the notes' d2l served by alight, in this process and those it spawns.

In: a name such as `torch.nn.functional`. Out: alight's own module, the very object that `import
alight` gives, so that classes are the same under both names. A PyTorch that is installed is not
looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

SERVED = {"torch": "alight", "torchvision": "alight.vision", "d2l": "alight.lessons.served"}

_DISTRIBUTIONS = (  # files of their own in PyTorch
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "dirichlet", "distribution", "exp_family",
    "exponential", "gamma", "geometric", "gumbel", "half_normal", "independent", "laplace", "log_normal",
    "mixture_same_family", "multinomial", "multivariate_normal", "normal", "one_hot_categorical", "poisson",
    "relaxed_bernoulli", "relaxed_categorical", "studentT", "transformed_distribution", "uniform",
)  # fmt: skip

# Where PyTorch's tree is finer than alight's. What lies below such a name is found in the same
# module.
MERGED = {
    **{f"torch.distributions.{name}": "alight.distributions" for name in _DISTRIBUTIONS},
    "d2l.torch": "alight.lessons",
    "torch.nn.parameter": "alight.nn",
    "torch.nn.utils.clip_grad": "alight.nn.utils",
    "torch.utils.data._utils": "alight.data",
    "torchvision.datasets.vision": "alight.vision.datasets",
    "torchvision.io.image": "alight.vision.io",
    "torchvision.ops.boxes": "alight.vision.ops",
    "torchvision.ops.roi_pool": "alight.vision.ops",
    "torchvision.transforms.transforms": "alight.vision.transforms",
    "torch.optim.adam": "alight.optim",
    "torch.optim.adamw": "alight.optim",
    "torch.optim.optimizer": "alight.optim",
    "torch.optim.sgd": "alight.optim",
    "torch.serialization": "alight.io.serialization",
    "torch.utils.data.dataloader": "alight.data",
    "torch.utils.data.dataset": "alight.data",
    "torch.utils.data.distributed": "alight.data",
    "torch.utils.data.sampler": "alight.data",
}


def serve() -> None:
    """Let alight answer to the names torch, torchvision and d2l from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in [name for name in sys.modules if name.partition(".")[0] in SERVED]:
        del sys.modules[name]
    for name, prepare in _WATCHED.items():
        if name in sys.modules:
            prepare(sys.modules[name])
    _say_version()


def _say_version() -> None:
    """Programs choose their branches by torch.__version__: let it be that of the PyTorch whose API this is."""
    alight, version = import_module("alight"), import_module("alight.version")
    if not isinstance(alight.__version__, version.TorchVersion):
        said = version.TorchVersion(f"{version.SERVED}+alight{alight.__version__}")
        alight.__version__ = version.__version__ = said  # type: ignore[attr-defined]


def _serve_children(spawn: Any) -> None:
    """Let the processes that Python's multiprocessing spawns begin with `serve`."""
    command = spawn.get_command_line
    if command.__module__ == __name__:
        return

    def get_command_line(**handles: Any) -> list[str]:
        words: list[str] = command(**handles)
        if "-c" in words:
            program = words.index("-c") + 1
            words[program] = f"from {__name__} import serve; serve(); {words[program]}"
        return words

    spawn.get_command_line = get_command_line


def _serve_forks(forkserver: Any) -> None:
    """Let the server that forks processes for Python's multiprocessing begin with `serve`."""
    known = forkserver._forkserver._preload_modules
    if SERVING not in known:
        known.insert(0, SERVING)


SERVING = "alight.cli.serving"
_WATCHED = {
    "multiprocessing.spawn": _serve_children,
    "multiprocessing.forkserver": _serve_forks,
}


def resolve(name: str) -> ModuleType:
    """The module of alight that stands for a module of torch or torchvision.

    >>> resolve("torch").__name__, resolve("torchvision.transforms").__name__
    ('alight', 'alight.vision.transforms')

    Errors: ModuleNotFoundError for what alight has not.
    """
    if name in SERVED:
        return import_module(SERVED[name])
    for prefix, module in MERGED.items():
        if name == prefix or name.startswith(prefix + "."):
            return import_module(module)
    parent, _, last = name.rpartition(".")
    home = resolve(parent)
    target = f"{home.__name__}.{last}"
    try:
        return import_module(target)
    except ModuleNotFoundError as error:
        if error.name != target:
            raise
    found = getattr(home, last, None)
    if isinstance(found, ModuleType):
        return found
    raise ModuleNotFoundError(f"No module named {name!r} (alight does not have it)", name=name)


class _Spawning(SourceFileLoader):
    """Loads what starts processes in Python's multiprocessing, most often after `serve`."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _WATCHED[module.__name__](module)


class _Finder(MetaPathFinder, Loader):
    """Finds and loads torch, torchvision, d2l and what lies below them; watches for processes to come."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in _WATCHED:
            spec = PathFinder.find_spec(name, path)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = _Spawning(spec.loader.name, spec.loader.path)
            return spec
        if name.partition(".")[0] not in SERVED:
            return None
        module = resolve(name)
        spec = ModuleSpec(name, self, is_package=hasattr(module, "__path__"))
        spec.loader_state = module, module.__spec__
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module: ModuleType = _state(spec)[0]
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The module ran under its own name long ago; the import system has only written over its
        # spec.
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            module.__spec__ = _state(spec)[1]
        if not hasattr(module, "__path__"):
            module.__path__ = []  # torch's may be a package where alight's is a file


def _state(spec: ModuleSpec) -> Any:
    return spec.loader_state
