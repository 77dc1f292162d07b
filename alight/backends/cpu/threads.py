"""The pool: threads of our own that run a step together and meet at barriers inside it.

In: the address of a step and its table of pointers. Out: its status, once every thread of the team is done. Workers wait
by spinning for about as long as Python takes between two steps, then sleep (futex on Linux, short naps elsewhere). The
code is generated like any kernel's. Results never depend on how many threads there are, so a step that finds the pool
taken, by another Python thread, runs alone.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
from typing import Any

from alight import config
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.target import host

# Offsets in a team's memory; what different threads write lies on cache lines of its own.
GENERATION, PENDING, ARRIVED, MEETING = 0, 64, 128, 192
STEP, TABLE, THREADS, QUIT, SLEEPERS, SPINS = 256, 264, 272, 280, 320, 384
TEAM_BYTES = 512
MOST = 64  # threads of a team
SPIN_SECONDS = (
    100e-6  # how long a worker waits awake: a few times what Python needs between two steps
)
YIELD_AFTER = 2000  # pauses at a barrier before the core is offered to somebody else
FUTEX, FUTEX_WAIT, FUTEX_WAKE = (
    {"aarch64": 98}.get(os.uname().machine if hasattr(os, "uname") else "", 202),
    128,
    129,
)


def barrier(code: Code) -> None:
    """Write the meeting of all threads of the team; a kernel's or step's function has `threads` and `team`."""
    code.call("void", "alight_barrier", code["team"], code["threads"])


# -- the pool's own code -----------------------------------------------------------------------------------------------


def _pause(code: Code) -> None:
    if host().triple.startswith(("aarch64", "arm64")):
        code.call("void", "llvm.aarch64.hint", Value("1", "i32"))
    else:
        code.call("void", "llvm.x86.sse2.pause")


def _atomic_load(code: Code, place: Value) -> Value:
    return code.op(f"load atomic i64, {place.typed} acquire, align 8", type="i64")


def _atomic_store(code: Code, value: Value, place: Value) -> None:
    code.line(f"store atomic {value.typed}, {place.typed} release, align 8")


def _atomic_add(code: Code, place: Value, value: int) -> Value:
    """The value before."""
    return code.op(f"atomicrmw add {place.typed}, i64 {value} acq_rel", type="i64")


def _wait_while_equal(code: Code, place: Value, value: Value, spins: Value, sleep: Any) -> None:
    """Spin while memory holds `value`; call `sleep` each time that `spins` pauses did not help."""
    head, body, rest, after = (code.fresh(stem) for stem in ("wait", "same", "rest", "go"))
    count = code.variable(code.integer(0))
    code.line(f"br label {head}")
    code.label(head)
    same = code.compare("icmp eq", _atomic_load(code, place), value)
    code.line(f"br {same.typed}, label {body}, label {after}")
    code.label(body)
    _pause(code)
    tries = code.add(count.get(), 1)
    count.set(tries)
    tired = code.compare("icmp sgt", tries, spins)
    code.line(f"br {tired.typed}, label {rest}, label {head}")
    code.label(rest)
    sleep(code)
    code.line(f"br label {head}")
    code.label(after)


def _yield(code: Code) -> None:
    code.call("i32", "sched_yield")


def _barrier_code() -> Code:
    code = Code("alight_barrier", [("ptr", "team"), ("i64", "threads")])
    with code.when(code.compare("icmp sgt", code["threads"], code.integer(1))):
        meeting = code.element(code["team"], MEETING, 1)
        arrived = code.element(code["team"], ARRIVED, 1)
        now = _atomic_load(code, meeting)
        before = _atomic_add(code, arrived, 1)
        last = code.compare("icmp eq", code.add(before, 1), code["threads"])
        with code.when(last):
            _atomic_store(code, code.integer(0), arrived)
            _atomic_store(code, code.add(now, 1), meeting)
        _wait_while_equal(code, meeting, now, code.integer(YIELD_AFTER), _yield)
    return code


def _sleep_code(place: Value, seen: Value, sleepers: Value) -> Any:
    """What a worker does when spinning took too long."""

    def sleep(code: Code) -> None:
        if not sys.platform.startswith("linux"):
            code.call("i32", "usleep", Value("50", "i32"))
            return
        _atomic_add(code, sleepers, 1)
        low = code.op(f"trunc {seen.typed} to i32", type="i32")
        code.declared["syscall"] = "declare i64 @syscall(i64, ...)"
        numbers = (
            f"i64 {FUTEX}, {place.typed}, i64 {FUTEX_WAIT}, {low.typed}, ptr null, ptr null, i64 0"
        )
        code.op(f"call i64 (i64, ...) @syscall({numbers})", type="i64")
        _atomic_add(code, sleepers, -1)

    return sleep


def _worker_code() -> Code:
    """One thread's life: wait for a job, run it, say so."""
    code = Code("alight_worker", [("ptr", "self")], "ptr")
    team = code.load("ptr", code["self"])
    thread = code.load("i64", code.element(code["self"], 8, 1))
    seen = code.variable(code.load("i64", code.element(code["self"], 16, 1)))
    generation = code.element(team, GENERATION, 1)
    sleepers = code.element(team, SLEEPERS, 1)
    forever, job, done = (code.fresh(stem) for stem in ("forever", "job", "done"))
    code.line(f"br label {forever}")
    code.label(forever)
    last = seen.get()
    spins = code.load("i64", code.element(team, SPINS, 1))
    _wait_while_equal(code, generation, last, spins, _sleep_code(generation, last, sleepers))
    seen.set(_atomic_load(code, generation))
    leave = code.compare("icmp ne", code.load("i64", code.element(team, QUIT, 1)), code.integer(0))
    code.line(f"br {leave.typed}, label {done}, label {job}")
    code.label(job)
    threads = code.load("i64", code.element(team, THREADS, 1))
    mine = code.compare("icmp slt", thread, threads)
    with code.when(mine):
        step = code.load("ptr", code.element(team, STEP, 1))
        table = code.load("ptr", code.element(team, TABLE, 1))
        arguments = ", ".join(value.typed for value in (table, thread, threads, team))
        code.op(f"call i32 {step.text}({arguments})", type="i32")
    _atomic_add(code, code.element(team, PENDING, 1), -1)
    code.line(f"br label {forever}")
    code.label(done)
    return code


def _run_code() -> tuple[Code, Value]:
    """Give the team a step, do the first thread's part of it, and wait for the others."""
    code = Code(
        "alight_run",
        [
            ("ptr", "team"),
            ("ptr", "step"),
            ("ptr", "table"),
            ("i64", "threads"),
            ("i64", "workers"),
        ],
        "i32",
    )
    team = code["team"]
    many = code.compare("icmp sgt", code["threads"], code.integer(1))
    with code.when(many):
        code.store(code["step"], code.element(team, STEP, 1))
        code.store(code["table"], code.element(team, TABLE, 1))
        code.store(code["threads"], code.element(team, THREADS, 1))
        _atomic_store(code, code["workers"], code.element(team, PENDING, 1))
        generation = code.element(team, GENERATION, 1)
        code.op(f"atomicrmw add {generation.typed}, i64 1 seq_cst", type="i64")
        asleep = code.op(
            f"load atomic i64, {code.element(team, SLEEPERS, 1).typed} seq_cst, align 8", type="i64"
        )
        with code.when(code.compare("icmp ne", asleep, code.integer(0))):
            if sys.platform.startswith("linux"):
                code.declared["syscall"] = "declare i64 @syscall(i64, ...)"
                numbers = f"i64 {FUTEX}, {generation.typed}, i64 {FUTEX_WAKE}, i32 {MOST}, ptr null, ptr null, i64 0"
                code.op(f"call i64 (i64, ...) @syscall({numbers})", type="i64")
    arguments = ", ".join(
        value.typed for value in (code["table"], code.integer(0), code["threads"], team)
    )
    status = code.op(f"call i32 {code['step'].text}({arguments})", type="i32")
    with code.when(many):
        _wait_until_zero(code, code.element(team, PENDING, 1))
    return code, status


def _wait_until_zero(code: Code, place: Value) -> None:
    head, body, after = (code.fresh(stem) for stem in ("left", "busy", "all"))
    count = code.variable(code.integer(0))
    code.line(f"br label {head}")
    code.label(head)
    busy = code.compare("icmp ne", _atomic_load(code, place), code.integer(0))
    code.line(f"br {busy.typed}, label {body}, label {after}")
    code.label(body)
    _pause(code)
    count.set(code.add(count.get(), 1))
    with code.when(code.compare("icmp sgt", count.get(), code.integer(YIELD_AFTER))):
        _yield(code)
    code.line(f"br label {head}")
    code.label(after)


def _spin_code() -> Code:
    """`count` pauses, to learn how long one takes."""
    code = Code("alight_spin", [("i64", "count")])
    with code.loop(code.integer(0), code["count"]):
        _pause(code)
    return code


class _Library:
    """The pool's functions as machine code, made once a process."""

    def __init__(self) -> None:
        from alight.backends.cpu import jit

        run, status = _run_code()
        made = [_barrier_code(), _worker_code(), run, _spin_code()]
        returned = [None, Value("null", "ptr"), status, None]
        texts = [code.finish(value) for code, value in zip(made, returned, strict=True)]
        declared = {name: text for code in made for name, text in code.declared.items()}
        module = jit.module_text(texts, declared.values(), host())
        self.module = jit.link(jit.object_code(module), [code.name for code in made])
        address = self.module.addresses
        self.symbols = {"alight_barrier": address["alight_barrier"]}
        self.worker, self.run_address = address["alight_worker"], address["alight_run"]
        self.run = ctypes.CFUNCTYPE(
            ctypes.c_int32,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_int64,
            ctypes.c_int64,
        )(self.run_address)
        spin = ctypes.CFUNCTYPE(None, ctypes.c_int64)(address["alight_spin"])
        times = []
        for _ in range(3):
            before = time.perf_counter()
            spin(2000)
            times.append((time.perf_counter() - before) / 2000)
        self.spins = int(SPIN_SECONDS / min(times))


_library: _Library | None = None


def library() -> _Library:
    """The pool's functions."""
    global _library
    if _library is None:
        _library = _Library()
    return _library


def symbols() -> dict[str, int]:
    """What generated code may call."""
    return library().symbols


# -- how many ----------------------------------------------------------------------------------------------------------


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return cores


class Pool:
    """Worker threads and who may use them."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted  # 0: as many as there are cores
        self.threads = max(1, min(wanted or available_cores(), MOST))
        self.lock = threading.Lock()
        self.workers: list[Any] = []
        self.memory = (ctypes.c_char * (TEAM_BYTES + 64))()
        self.team = ctypes.addressof(self.memory) + -ctypes.addressof(self.memory) % 64
        ctypes.c_int64.from_address(self.team + SPINS).value = library().spins
        self.selves = [(ctypes.c_int64 * 3)(self.team, n, 0) for n in range(1, self.threads)]
        if self.threads > 1 and not self._start():
            self.threads = 1

    def _start(self) -> bool:
        try:
            create = ctypes.CDLL(None).pthread_create
        except (AttributeError, OSError, TypeError):
            return False  # no POSIX threads here: steps run on the calling thread
        for own in self.selves:
            handle = ctypes.c_ulong()
            arguments = (
                ctypes.byref(handle),
                None,
                ctypes.c_void_p(library().worker),
                ctypes.byref(own),
            )
            if create(*arguments):
                self.stop()
                return False
            self.workers.append(handle)
        return True

    def run(self, step: int, table: int, threads: int = MOST) -> int:
        """Run a step on at most `threads` threads of the team; alone if somebody else has it."""
        count = min(self.threads, threads)
        if count > 1 and self.lock.acquire(blocking=False):
            try:
                return library().run(self.team, step, table, count, len(self.workers))
            finally:
                self.lock.release()
        return library().run(self.team, step, table, 1, 0)

    def stop(self) -> None:
        """Let the workers end and wait for them."""
        if not self.workers:
            return
        ctypes.c_int64.from_address(self.team + QUIT).value = 1
        generation = ctypes.c_int64.from_address(self.team + GENERATION)
        generation.value += 1
        libc = ctypes.CDLL(None)
        if sys.platform.startswith("linux"):
            libc.syscall(
                FUTEX, ctypes.c_void_p(self.team + GENERATION), FUTEX_WAKE, MOST, None, None, 0
            )
        for handle in self.workers:
            libc.pthread_join(handle, None)
        self.workers = []
        self.threads = 1


_pool: Pool | None = None
_pool_lock = threading.Lock()


def pool() -> Pool:
    """The process's pool, started at its first use and anew when `config.num_threads` was changed."""
    global _pool
    found = _pool
    if found is None or found.wanted != config.num_threads:
        with _pool_lock:
            if _pool is None or _pool.wanted != config.num_threads:
                if _pool is not None:
                    with _pool.lock:
                        _pool.stop()
                _pool = Pool(config.num_threads)
            found = _pool
    return found


def _stop_at_exit() -> None:
    if _pool is not None:
        _pool.stop()


def _forget_after_fork() -> None:
    """A fork has no workers: its first step starts a pool of its own."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
