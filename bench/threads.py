"""What the thread pool costs: `python -m bench.threads`.

Fork and join of a step that does nothing, after gaps in which workers spin or sleep, and the steps a second of one and
of several processes that share the machine.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time

import numpy as np

from alight.backends.cpu import jit, threads
from alight.backends.cpu.code import Code
from alight.backends.cpu.target import host

STEP = [("ptr", "table"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")]


def step(pauses: int, meetings: int = 0) -> jit.Module:
    """A step that shares so many pauses among its threads, with some barriers between; it counts teams of two or more."""
    code = Code("step", STEP, "i32")
    first, last = code.share(code.integer(pauses), code["thread"], code["threads"])
    for _ in range(meetings + 1):
        code.call("void", "alight_spin", code.op("sub", last, first))
        threads.barrier(code)
    shared = code.compare("icmp sgt", code["threads"], code.integer(1))
    with code.when(
        code.op("and", shared, code.compare("icmp eq", code["thread"], code.integer(0)))
    ):
        code.store(code.add(code.load("i64", code["table"]), 1), code["table"])
    text = jit.module_text([code.finish(code.constant(0, "i32"))], code.declared.values(), host())
    address = threads.library().module.addresses
    known = {"alight_spin": address["alight_spin"], "alight_barrier": address["alight_barrier"]}
    return jit.link(jit.object_code(text), ["step"], known)


def repeated() -> ctypes._CFuncPtr:
    """A compiled loop of runs with pauses between: no Python in the figures."""
    parameters = [("ptr", name) for name in ("team", "step", "table")]
    parameters += [("i64", name) for name in ("threads", "runs", "pauses")]
    code = Code("many", parameters)
    with code.loop(code.integer(0), code["runs"]):
        code.call(
            "i32", "alight_run", *[code[name] for name in ("team", "step", "table", "threads")]
        )
        code.call("void", "alight_spin", code["pauses"])
    address = threads.library().module.addresses
    text = jit.module_text([code.finish()], code.declared.values(), host())
    known = {name: address[name] for name in ("alight_run", "alight_spin")}
    module = jit.link(jit.object_code(text), ["many"], known)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(module.addresses["many"])
    call.module = module  # type: ignore[attr-defined]
    return call


def fork_and_join() -> None:
    """The time of an empty step beyond its gap, and how often it had more than one thread."""
    pool, many, empty = threads.pool(), repeated(), step(0)
    table, pause = np.zeros(8, np.int64), threads.library().pause_seconds
    print("| gap, us | least, us | median, us | shared runs, % |\n|---|---|---|---|")
    for gap in (0, 20, 50, 200, 1000):
        runs, rounds = max(10, 10_000 // (gap + 10)), 50
        pauses, times = int(gap * 1e-6 / pause), []
        table[0] = 0
        for _ in range(rounds):
            start = time.perf_counter()
            many(pool.team, empty.addresses["step"], table.ctypes.data, pool.threads, runs, pauses)
            times.append((time.perf_counter() - start) / runs * 1e6 - pauses * pause * 1e6)
        shared = table[0] / (runs * rounds) * 100
        print(f"| {gap} | {min(times):.2f} | {sorted(times)[rounds // 2]:.2f} | {shared:.0f} |")


def rate(pauses: int, seconds: float = 1.0) -> float:
    """Steps a second of this process, with three barriers in each."""
    table, module, pool = np.zeros(8, np.int64), step(pauses // 4, 3), threads.pool()
    run, address, count = pool.library.run, module.addresses["step"], 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        run(pool.team, address, table.ctypes.data, pool.threads)
        count += 1
    return count / seconds


def sharing() -> None:
    """One process alone, and two at once."""
    pause = threads.library().pause_seconds
    print(
        "\n| work of a step, us | alone, steps/s | two processes, steps/s of each | % of alone |\n|---|---|---|---|"
    )
    for work in (10, 100, 1000):
        pauses = int(work * 1e-6 / pause)
        alone = rate(pauses)
        command = [sys.executable, "-m", "bench.threads", "rate", str(pauses)]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        rates = [float(other.communicate()[0]) for other in others]
        share = ", ".join(f"{one / alone * 100:.0f}" for one in rates)
        print(f"| {work} | {alone:.0f} | {rates[0]:.0f}, {rates[1]:.0f} | {share} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["rate"]:
        print(rate(int(sys.argv[2]), 1.5))
    else:
        fork_and_join()
        sharing()
