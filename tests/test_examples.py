"""Every example in a docstring of alight's runs and prints what it says."""

import doctest
import importlib
import pkgutil

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
    said = []
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
    for test in finder.find(module, module.__name__, globs=dict(names)):
        runner.run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "__main__"])
def test_examples(package):
    said = [failures(module, vars(module)) for module in modules(package)]
    assert not any(said), "".join(said)


def test_examples_of_operations():
    """Those say `import alight as torch` themselves; in alight's own namespace `float` is a dtype."""
    assert not failures(alight, {})
