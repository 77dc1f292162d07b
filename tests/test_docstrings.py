"""Every public callable has a docstring with an example; an operation's says what shapes it takes and what it refuses.

A docstring is in order when it has

- a sentence, and an example (`>>>`; tests/test_examples.py runs them all);
- for operations that take tensors, a word on shapes: the word "shape", or one written down, as in (n, m) or (*, n);
- for operations that refuse arguments in their own code (`fail(...)`), a line that starts with "Errors:".

A name is public where a user sees it: in `dir(namespace)`, without an underscore in front.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest

import alight

OPERATIONS = (  # the full rule
    "alight",
    "alight.Tensor",
    "alight.nn.functional",
    "alight.linalg",
    "alight.fft",
    "alight.special",
    "alight.signal.windows",
    "alight.masked",
)
OTHERS = (  # docstring and example only
    "alight.func",
    "alight.autograd",
    "alight.autograd.functional",
    "alight.autograd.graph",
    "alight.autograd.forward_ad",
    "alight.random",
    "alight.amp",
    "alight.nn",
    "alight.nn.init",
    "alight.nn.attention",
    "alight.nn.utils",
    "alight.nn.utils.rnn",
    "alight.nn.utils.parametrize",
    "alight.nn.utils.parametrizations",
    "alight.nn.utils.prune",
    "alight.nn.utils.stateless",
    "alight.optim",
    "alight.optim.lr_scheduler",
    "alight.optim.swa_utils",
    "alight.utils.data",
    "alight.utils.checkpoint",
    "alight.utils.tensorboard",
    "alight.utils.dlpack",
    "alight.utils._pytree",
    "alight.distributions",
    "alight.distributions.transforms",
    "alight.distributions.constraints",
    "alight.distributions.kl",
    "alight.distributions.constraint_registry",
    "alight.vision.datasets",
    "alight.vision.transforms",
    "alight.vision.transforms.functional",
    "alight.vision.tv_tensors",
    "alight.vision.utils",
    "alight.vision.ops",
    "alight.vision.io",
    "alight.vision.models",
    "alight.io",
    "alight.io.safetensors",
    "alight.train",
    "alight.lessons",
    "alight.explain",
    "alight.accelerator",
    "alight.autograd.anomaly_mode",
    "alight.autograd.function",
    "alight.autograd.grad_mode",
    "alight.backends",
    "alight.backends.cudnn",
    "alight.backends.mkl",
    "alight.backends.mps",
    "alight.backends.openmp",
    "alight.cuda",
    "alight.cuda.amp",
    "alight.cuda.nvtx",
    "alight.distributed",
    "alight.hub",
    "alight.jit",
    "alight.nn.parameter",
    "alight.overrides",
    "alight.profiler",
    "alight.storage",
    "alight.testing",
    "alight.utils",
    "alight.utils.hooks",
    "alight._dynamo",
)
CLASSES = (  # each method that a user calls has an example, too
    "alight.Generator",
    "alight.nn.Module",
    "alight.nn.Sequential",
    "alight.nn.ModuleList",
    "alight.nn.ModuleDict",
    "alight.nn.ParameterList",
    "alight.nn.ParameterDict",
    "alight.nn.Embedding",
    "alight.optim.Optimizer",
    "alight.optim.lr_scheduler.LRScheduler",
    "alight.optim.swa_utils.AveragedModel",
    "alight.distributions.Distribution",
    "alight.distributions.Transform",
    "alight.utils.tensorboard.SummaryWriter",
)
OVERRIDDEN = ("forward", "extra_repr", "reset_parameters")  # named in the class's own text

SHAPE = re.compile(r"\b[Ss]hapes?\b|\([\w*.+/-]+, ?[\w*.+/, -]*\)")
TENSORS = {"Tensor", "Value", "Tensor | None", "Tensors", "Operand", "Operand | None"}


def namespace_of(name: str) -> Any:
    return alight.Tensor if name == "alight.Tensor" else importlib.import_module(name)


def public(namespace: Any) -> dict[str, Any]:
    """The callables that `dir` shows, by name."""
    found = {name: getattr(namespace, name) for name in dir(namespace) if name[0] != "_"}
    return {name: value for name, value in found.items() if callable(value)}


def takes_tensors(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name in ("input", "tensors") or str(p.annotation) in TENSORS for p in parameters)


def refuses(function: Any) -> bool:
    try:
        return "fail(" in inspect.getsource(inspect.unwrap(function))
    except (TypeError, OSError):
        return False


def faults(value: Any, operations: bool) -> list[str]:
    """What a docstring lacks."""
    text = value.__doc__ or ""
    if not text:
        return ["no docstring"]
    found = [] if ">>> " in text else ["no example"]
    if operations and not isinstance(value, type):
        if takes_tensors(value) and not SHAPE.search(text.partition(">>> ")[0]):
            found.append("no word on shapes")
        if refuses(value) and not re.search(r"^\s*Errors: ", text, re.MULTILINE):
            found.append("no line of errors, though it refuses arguments")
    return found


def faults_of(namespace: str, operations: bool) -> list[str]:
    return [
        f"{namespace}.{name}: {', '.join(found)}"
        for name, value in public(namespace_of(namespace)).items()
        if (found := faults(value, operations))
    ]


NAMESPACES = {**dict.fromkeys(OPERATIONS, True), **dict.fromkeys(OTHERS, False)}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_docstrings(namespace):
    found = faults_of(namespace, NAMESPACES[namespace])
    assert not found, f"{len(found)} docstrings fall short\n" + "\n".join(found)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_no_name_of_another_library_is_public(namespace):
    """`Any`, `Callable`, `Path`: what a module imports for itself is not part of what it offers."""
    homes = {
        name: str(getattr(value, "__module__", "alight"))
        for name, value in public(namespace_of(namespace)).items()
    }
    foreign = [name for name, home in homes.items() if not home.startswith(("alight", "torch"))]
    assert not foreign


@pytest.mark.parametrize("name", CLASSES)
def test_docstrings_of_methods(name):
    home, _, own = name.rpartition(".")
    value = getattr(importlib.import_module(home), own)
    methods = [
        inspect.unwrap(getattr(value, method))
        for method in dir(value)
        if method[0] != "_" and method not in OVERRIDDEN
    ]
    found = [(one.__name__, faults(one, False)) for one in methods if inspect.isfunction(one)]
    assert not [(method, lacks) for method, lacks in found if lacks]


def test_the_rules_can_fail():
    def bare(input):
        """Nothing more."""

    def refusing(input):
        """Any shape.

        >>> 1
        1
        """
        fail(TypeError, "no")  # noqa: F821

    assert faults(lambda: None, True) == ["no docstring"]
    assert faults(bare, True) == ["no example", "no word on shapes"]
    assert faults(bare, False) == ["no example"]
    assert faults(refusing, True) == ["no line of errors, though it refuses arguments"]
