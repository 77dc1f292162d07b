"""How the code hangs together: imports go down, outside libraries stay where they belong, files and functions stay small."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent / "alight"

# From the bottom up. A part may import from its own layer and from those before it (docs/architecture.md).
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "config", "offered"),
    ("dtypes", "device"),
    ("ir",),
    ("primitives",),
    ("transforms",),
    ("compiler",),
    ("backends",),
    ("record",),
    ("tensor", "ops", "autograd", "random", "printing", "amp", "profiler"),
    (
        "fft",
        "linalg",
        "special",
        "func",
        "cuda",
        "overrides",
        "_C",
        "namespace",
        "alight",
        "storage",
        "types",
    ),
    ("nn", "signal", "distributions", "masked", "version", "settings"),
    ("optim",),
    ("io",),
    ("data",),
    ("vision", "utils", "jit", "accelerator", "distributed", "hub", "multiprocessing", "testing"),
    ("train", "lessons", "_dynamo"),
    ("explain", "bench", "cli", "__main__"),
)
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}

# Imports that go up, each with its reason. Most stand inside functions: they break a circle.
UPWARD = {
    ("backends.cpu.cache", "alight"): "compiled code is kept for one version of alight",
    ("record.joined", "tensor"): "a handle for what is joined at once",
    ("primitives.scan", "transforms"): "the gradient of a loop is the reverse of its body",
    ("record.ambiguous", "autograd"): "an error names the step that made a view as grad_fn does",
    ("record.described", "ops"): "the rules for dimensions and memory formats",
    ("record.shown", "autograd"): "what is shown of a pending tensor names its grad_fn",
    ("record.shown", "ops"): "a handle for the elements that are shown",
    ("record.shown", "printing"): "the printed form",
    ("record.shown", "tensor"): "a handle for the elements that are shown",
    ("autograd.__init__", "func"): "torch.autograd.functional is made of transformations",
    ("tensor", "alight"): "__torch_function__ names the public function",
    ("ops.rejection", "alight"): "written with public calls",
    ("ops.nn.sequence_loss", "nn"): "written with public calls",
    ("overrides", "nn"): "the list of functions that may be overridden holds torch.nn.functional's",
    ("io.tensors", "nn"): "a Parameter is read back as one (nn imports nothing of io)",
}

# Where outside libraries may be imported.
NUMPY = ("backends", "data", "vision", "io", "train", "lessons")  # and where files meet arrays
LLVMLITE = ("backends.cpu",)
RIVALS = ("bench",)  # what times alight beside PyTorch
ENVIRONMENT = (
    "config",
    "bench.steps",
)  # the latter hands its own on to the processes that it times

FILE_LINES = 620  # without docstrings
FUNCTION_LINES = 60  # without the docstring
LONGER: dict[str, tuple[int, str]] = {}  # what is longer, its limit, and why it is not cut


class Import(NamedTuple):
    """One import statement's module."""

    module: str  # without "alight."
    line: int
    target: str
    inner: bool  # inside a function


def modules() -> dict[str, Path]:
    """Dotted names below alight; the package's own file is "alight"."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found["alight" if name == "__init__" else name] = path
    return found


MODULES = modules()


@functools.cache
def tree(module: str) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(MODULES[module].read_text())


@functools.cache
def imports(module: str) -> tuple[Import, ...]:
    """All imports of a module, except those for type checkers alone."""
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[Import]:
    pending: list[tuple[ast.AST, bool]] = [(tree(module), False)]
    while pending:
        node, inner = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                for name in child.names:
                    yield Import(module, child.lineno, name.name, inner)
            elif isinstance(child, ast.ImportFrom) and child.module:
                for name in child.names:
                    below = f"{child.module}.{name.name}"
                    is_module = below.removeprefix("alight.") in MODULES or (
                        f"{below}.__init__".removeprefix("alight.") in MODULES
                    )
                    yield Import(module, child.lineno, below if is_module else child.module, inner)
            inside = inner or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            pending.append((child, inside))


def part_of(target: str) -> str | None:
    """The part of alight that an import reaches; None for other libraries."""
    top, _, rest = target.partition(".")
    if top != "alight":
        return None
    part = rest.split(".")[0]
    return part if part in LEVEL else "alight"


def test_every_part_has_a_layer():
    assert {name.split(".")[0] for name in MODULES} == set(LEVEL)


@pytest.mark.parametrize("part", LEVEL)
def test_imports_go_down(part):
    wrong = []
    for module in MODULES:
        if module.split(".")[0] != part:
            continue
        for found in imports(module):
            to = part_of(found.target)
            if to is None or LEVEL[to] <= LEVEL[part]:
                continue
            if (module, to) not in UPWARD:
                wrong.append(f"alight/{module.replace('.', '/')}.py:{found.line} imports {to}")
    assert not wrong, "\n".join(wrong)


def test_exceptions_are_still_needed():
    used = {(module, part_of(found.target)) for module in MODULES for found in imports(module)}
    assert set(UPWARD) <= used, f"no exceptions any more: {sorted(set(UPWARD) - used)}"


@pytest.mark.parametrize(("library", "places"), [("numpy", NUMPY), ("llvmlite", LLVMLITE)])
def test_outside_libraries_stay_where_they_belong(library, places):
    wrong = [
        f"{module}:{found.line}"
        for module in MODULES
        for found in imports(module)
        if found.target.split(".")[0] == library
        and module.split(".")[0] not in RIVALS
        and not any(module == place or module.startswith(place + ".") for place in places)
    ]
    assert not wrong, f"{library} is imported by {wrong}"


def test_pytorch_is_never_imported():
    wrong = [
        f"{module}:{found.line}"
        for module in MODULES
        for found in imports(module)
        if found.target.split(".")[0] in ("torch", "torchvision")
        and module.split(".")[0] not in RIVALS
    ]
    assert not wrong


def test_the_environment_is_read_in_one_place():
    wrong = []
    for module in MODULES:
        for node in ast.walk(tree(module)):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if module not in ENVIRONMENT and name in ("environ", "getenv", "environb"):
                wrong.append(f"{module}:{node.lineno}")
    assert not wrong, f"only config.py reads os.environ: {wrong}"


def test_files_are_small():
    limits = {name: limit for name, (limit, _) in LONGER.items() if ":" not in name}
    wrong = []
    for module, path in MODULES.items():
        lines, name = _lines(module), str(path.relative_to(ROOT.parent))
        if lines > limits.get(name, FILE_LINES):
            wrong.append(f"{name} has {lines} lines")
    assert not wrong, "\n".join(wrong)


def test_functions_are_small():
    limits = {name: limit for name, (limit, _) in LONGER.items()}
    wrong = []
    for module, path in MODULES.items():
        for node in ast.walk(tree(module)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{path.relative_to(ROOT.parent)}:{node.name}"
                if _length(node) > limits.get(name, FUNCTION_LINES):
                    wrong.append(f"{name} has {_length(node)} lines")
    assert not wrong, "\n".join(wrong)


def _lines(module: str) -> int:
    """The lines of a file, without docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree(module)) if isinstance(node, documented)]
    texts = [node.body[0] for node in nodes if ast.get_docstring(node, clean=False) is not None]
    written = sum((text.end_lineno or 0) - text.lineno + 1 for text in texts)
    return len(MODULES[module].read_text().splitlines()) - written


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    documented = ast.get_docstring(node, clean=False) is not None
    start = node.body[0].end_lineno if documented else node.lineno - 1
    return (node.end_lineno or 0) - (start or 0)
