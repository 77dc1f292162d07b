"""Every example in a docstring of alight's runs and prints what it says."""

import doctest
import functools
import importlib
import pkgutil
import warnings

import pytest
import torch

import alight

NOT_IMPORTED = (  # by this test: importing them does something
    "alight.__main__",  # a command
    "alight.bench.rows.",  # programs that a bench fills in
    "alight.cli.serving",  # makes alight answer to the name torch
)
PACKAGES = sorted({module.name.split(".")[0] for module in pkgutil.iter_modules(alight.__path__)})


def modules(package):
    """The module `alight.<package>`, and what lies below it."""
    top = importlib.import_module(f"alight.{package}")
    yield top
    for found in pkgutil.walk_packages(getattr(top, "__path__", []), f"alight.{package}."):
        if not found.name.startswith(NOT_IMPORTED):
            yield importlib.import_module(found.name)


def failures(module, names):
    """What the examples of one module print in the wrong way."""
    return "".join(
        map(failures_of, doctest.DocTestFinder().find(module, module.__name__, globs=dict(names)))
    )


def failures_of(example):
    """What one example prints in the wrong way."""
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old forms say that they are old
        doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "__main__"])
def test_examples(package):
    said = [failures(module, vars(module)) for module in modules(package)]
    assert not any(said), "".join(said)


NAMESPACES = (
    "", "Tensor", "nn.functional", "linalg", "fft", "special", "signal.windows", "func", "autograd", "autograd.functional",
    "autograd.graph", "autograd.forward_ad", "random", "amp",
)  # fmt: skip
ALONE = {  # operations whose examples print something else under PyTorch, with the reason
    "Tensor.storage_type": "alight has one class of storages for all dtypes",
    "autograd.GradcheckError": "PyTorch has it in autograd.gradcheck, where the function of that name hides it",
}


def operations():
    """Every public operation with an example, once, whatever has been used in this process before."""
    found = {}
    for place in NAMESPACES:
        namespace = functools.reduce(getattr, place.split("."), alight) if place else alight
        for name in dir(namespace):
            value = getattr(namespace, name)
            if callable(value) and ">>> import alight" in (value.__doc__ or ""):
                found.setdefault(value.__doc__, (f"{place}.{name}".lstrip("."), value))
    return found.values()


def example(name, text, **names):
    """The example of a docstring; those say `import alight as torch` themselves."""
    return doctest.DocTestParser().get_doctest(text, names, name, None, None)


def in_pytorch(name):
    """Whether PyTorch has something of this name: what alight alone has cannot be tried there."""
    place = torch
    for part in name.split("."):
        if not hasattr(place, part):
            return False
        place = getattr(place, part)
    return True


@pytest.mark.parametrize(
    ("name", "operation"), operations(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_examples_of_operations(name, operation):
    said = failures_of(example(name, operation.__doc__))
    assert not said, said
    if not in_pytorch(name):
        return
    without_import = operation.__doc__.replace(">>> import alight as torch", ">>> pass")
    said = failures_of(example(name, without_import, torch=torch))
    if name in ALONE:
        assert said, f"{name} prints the same under PyTorch: {ALONE[name]} no longer holds"
    else:
        assert not said, f"PyTorch prints something else.\n{said}"
