"""From the text of a module to addresses of its functions.

In: functions as text. Out: machine code in memory, kept alive by the `Module`. No pipeline of LLVM's is run, only
`sroa` and `instcombine`: vectors, tiles and unrolling are ours, and -O2 would take three times as long for nothing.
LLVM is imported when something is compiled: a process that finds its code on disk does without (25 ms, 60 MB).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from alight.backends.cpu import elf
from alight.backends.cpu.target import Target, host

if TYPE_CHECKING:
    import llvmlite.binding as llvm

_serials = itertools.count()


_ready = False
_ready_lock = threading.Lock()  # LLVM ends the process if an option is set twice


def _llvm() -> Any:
    global _ready
    import llvmlite.binding as llvm

    with _ready_lock:
        if not _ready:
            # Loops are written with the addresses that the machine can form; LLVM's search for better ones takes a third
            # of the time of making code and gains nothing.
            llvm.set_option("alight", "-disable-lsr")
            _ready = True
    return llvm


class Module:
    """Machine code and the addresses of its functions; dropped with its last reference."""

    def __init__(self, library: object, addresses: dict[str, int]) -> None:
        self._library = library  # owns the code
        self.addresses = addresses


QUICK = "; made quickly"  # the first line of a module whose code need not be fast


def module_text(
    functions: Iterable[str], declarations: Iterable[str], target: Target, quick: bool = False
) -> str:
    """A module of some functions. A `quick` one is made in a fifth of the time, without optimization."""
    attributes = f'attributes #0 = {{ nounwind "target-cpu"="{target.cpu}" "target-features"="{target.features}" }}'
    return "\n".join(
        [
            *([QUICK] if quick else []),
            f'target triple = "{target.triple}"',
            *functions,
            *sorted(set(declarations)),
            attributes,
            "",
        ]
    )


def _machine(target: Target, level: int) -> llvm.TargetMachine:
    llvm = _llvm()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, jit=True
    )


_machines: dict[tuple[Target, int], llvm.TargetMachine] = {}


def machine_of(target: Target, quick: bool = False) -> llvm.TargetMachine:
    """LLVM's description of a target, made once; `quick` is for code that is not optimized."""
    key = target, 0 if quick else 2
    if key not in _machines:
        _machines[key] = _machine(*key)
    return _machines[key]


def _prepared(text: str, target: Target) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    """The module after the two passes that we let LLVM run, and what turns it into code.

    Each call of LLVM lets other threads of Python have their turn, and waits for the next one: so there are few.
    """
    llvm = _llvm()
    quick = text.startswith(QUICK)
    module, machine = llvm.parse_assembly(text), machine_of(target, quick)
    if not quick:
        builder = llvm.create_pass_builder(
            machine, llvm.create_pipeline_tuning_options(speed_level=2)
        )
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.run(module, builder)
    return module, machine


def object_code(text: str, target: Target | None = None) -> bytes:
    """The module as an object file."""
    module, machine = _prepared(text, target or host())
    return machine.emit_object(module)


def assembly(text: str, target: Target | None = None) -> str:
    """The module as assembly, for people."""
    module, machine = _prepared(text, target or host())
    return machine.emit_assembly(module)


_lljit: llvm.LLJIT | None = None


def link(code: bytes, names: Iterable[str], symbols: Mapping[str, int] | None = None) -> Module:
    """Load an object file; the addresses of the functions in `names`. `symbols` are addresses it may call."""
    names = list(names)
    placed = elf.place(code, names, symbols or {})
    if placed is not None:
        return Module(placed, placed.addresses)
    return _linked_by_llvm(code, names, symbols or {})


def _linked_by_llvm(code: bytes, names: list[str], symbols: Mapping[str, int]) -> Module:
    global _lljit
    llvm = _llvm()
    if _lljit is None:
        _lljit = llvm.create_lljit_compiler(machine_of(host()), use_jit_link=False)
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name, address in symbols.items():
        builder.import_symbol(name, address)
    for name in names:
        builder.export_symbol(name)
    library = builder.link(_lljit, f"alight{next(_serials)}")
    return Module(library, {name: library[name] for name in names})
