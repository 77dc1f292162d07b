"""Every example in a docstring of alight's runs and prints what it says."""

import doctest
import importlib
import pkgutil
import warnings

import pytest

import alight

NOT_IMPORTED = (
    "alight.__main__",
    "alight.bench.rows.",
)  # a command; programs that a bench fills in
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


def operations():
    """Every public operation with an example, once, whatever has been used in this process before."""
    found = {}
    for namespace in (
        alight,
        alight.Tensor,
        alight.nn.functional,
        alight.linalg,
        alight.fft,
        alight.special,
    ):
        for name in dir(namespace):
            value = getattr(namespace, name)
            if callable(value) and ">>> import alight" in (value.__doc__ or ""):
                found.setdefault(value.__doc__, (f"{namespace.__name__}.{name}", value))
    return found.values()


@pytest.mark.parametrize(
    ("name", "operation"), operations(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_examples_of_operations(name, operation):
    """Those say `import alight as torch` themselves; in alight's own namespace `float` is a dtype."""
    said = failures_of(doctest.DocTestParser().get_doctest(operation.__doc__, {}, name, None, None))
    assert not said, said
