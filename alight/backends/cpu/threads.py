"""The pool: threads of our own that run a step together and meet at barriers inside it.

In: the address of a step and its table of pointers. Out: its status, once every thread of the team is done. Workers wait
by spinning for a few times what Python takes between two steps, then sleep. Results never depend on how many threads
there are: a step that finds the pool taken by another Python thread runs alone, and so does one whose workers have no
core at the moment. `team` has the code.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from alight import config
from alight.backends.cores import MOST, available_cores
from alight.backends.cpu import team as t
from alight.backends.cpu.target import host
from alight.backends.cpu.team import barrier

STACK = 8 << 20  # bytes: what Linux gives, and macOS would not
SPIN_SECONDS = 100e-6  # how long a worker waits awake
CROWDED_SPIN_SECONDS = 2e-6  # the same if there are more threads than cores
SHORTEST_PATIENCE, LONGEST_PATIENCE = 4e-6, 300e-6  # for workers to come, in seconds
LONG_STEP = 200e-6  # from here on a step always asks for workers
GIVE_UP = 1e-3  # short ones ask for so long, much longer than it takes to wake up, then not for ten times as long


def _futex_number() -> int:
    """Linux's system call; 0 elsewhere."""
    if not sys.platform.startswith("linux"):
        return 0
    return {"x86_64": 202, "aarch64": 98, "ppc64le": 221}.get(os.uname().machine, 0)


def _text(futex: int) -> str:
    from alight.backends.cpu import jit

    made = t.Team(host(), futex).functions()
    texts = [code.finish(value) for code, value in made]
    names = [code.name for code, _ in made]
    declared = {name: line for code, _ in made for name, line in code.declared.items()}
    return jit.module_text(
        texts, [line for name, line in declared.items() if name not in names], host()
    )


class Library:
    """The pool's functions as machine code, made once a process."""

    def __init__(self, futex: int | None = None) -> None:
        from alight.backends.cpu import cache, jit
        from alight.backends.cpu.entry import Entry

        futex = _futex_number() if futex is None else futex
        code = cache.code_of(f"pool, waiting by call {futex}", lambda: _text(futex))
        self.module = jit.link(code, t.NAMES)
        address = self.module.addresses
        self.symbols = {"alight_barrier": address["alight_barrier"]}
        self.worker, self.run_address = address["alight_worker"], address["alight_run"]
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        of = ctypes.CFUNCTYPE
        self.run = of(ctypes.c_int32, pointer, pointer, pointer, word)(self.run_address)
        self.claim = of(word, pointer)(address["alight_claim"])
        self.wake = of(None, pointer)(address["alight_wake"])
        self.entry = Entry(self.run_address)
        self._measure(of(None, word)(address["alight_spin"]), of(word)(address["alight_ticks"]))

    def _measure(self, spin: Any, ticks: Any) -> None:
        """How long a pause takes, and how many ticks a second has."""
        self.pause_seconds = self.ticks_a_second = 0.0
        for _ in range(3):
            before, first = time.perf_counter(), ticks()
            spin(2000)
            last, after = ticks(), time.perf_counter()
            pause = (after - before) / 2000
            if not self.pause_seconds or pause < self.pause_seconds:
                self.pause_seconds = pause
                self.ticks_a_second = (last - first) / (after - before)

    def settings(self, threads: int) -> dict[int, int]:
        """What a team's memory starts with."""
        crowded = threads > available_cores()
        spin = CROWDED_SPIN_SECONDS if crowded else SPIN_SECONDS
        ticks = self.ticks_a_second
        return {
            t.WORKERS: threads - 1,
            t.SPINS: int(spin / self.pause_seconds),
            t.SHORTEST: int(SHORTEST_PATIENCE * ticks),
            t.LONGEST: int(LONGEST_PATIENCE * ticks),
            t.LONG: int(LONG_STEP * ticks),
            t.GIVE_UP: int(GIVE_UP * ticks),
        }


_library: Library | None = None
_library_lock = threading.Lock()


def library() -> Library:
    """The pool's functions, the same for all threads: code that is linked calls them for as long as the process lives."""
    global _library
    if _library is None:
        with _library_lock:
            if _library is None:
                _library = Library()
    return _library


def make_meanwhile() -> None:
    """Begin to make the pool's functions on a thread of their own; `library` waits for them.

    It takes LLVM's import and 40 ms of LLVM's work, while which other threads may run Python: import our modules, plan a
    program and write its code.
    """
    if _library is None:
        # No daemon: the interpreter must not end under it.
        threading.Thread(target=_try_library, name="alight-pool", daemon=False).start()


def _try_library() -> None:
    with suppress(Exception):  # who needs it tries again and says why
        library()


def symbols() -> dict[str, int]:
    """What generated code may call."""
    return library().symbols


class Pool:
    """Worker threads and the memory that they share."""

    def __init__(self, wanted: int, own: Library | None = None) -> None:
        self.wanted = wanted  # 0: as many as there are cores
        self.threads = max(1, min(wanted or available_cores(), MOST))
        self.library = own or library()
        self.workers: list[Any] = []
        self.memory = (ctypes.c_char * (t.TEAM_BYTES + 64))()
        self.team = ctypes.addressof(self.memory) + -ctypes.addressof(self.memory) % 64
        if self.threads > 1 and not self._start():
            self.threads = 1

    def _word(self, offset: int) -> Any:
        return ctypes.c_int64.from_address(self.team + offset)

    def _start(self) -> bool:
        try:
            libc = ctypes.CDLL(None)
            create = libc.pthread_create
            attributes = (ctypes.c_char * 128)()  # longer than any system's
            libc.pthread_attr_init(attributes)
            libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(STACK))
            if not _futex_number():
                libc.pthread_mutex_init(ctypes.c_void_p(self.team + t.MUTEX), None)
                libc.pthread_cond_init(ctypes.c_void_p(self.team + t.CONDITION), None)
        except (AttributeError, OSError, TypeError):
            return False  # no POSIX threads here: steps run on the calling thread
        for offset, value in self.library.settings(self.threads).items():
            self._word(offset).value = value
        # Signals are for Python's threads: they interrupt what those wait for.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for _ in range(1, self.threads):
                handle = ctypes.c_ulong()
                start = ctypes.c_void_p(self.library.worker)
                if create(ctypes.byref(handle), attributes, start, ctypes.c_void_p(self.team)):
                    self.stop()
                    return False
                self.workers.append(handle)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True

    def run(self, step: int, table: int, threads: int = MOST) -> int:
        """Run a step on at most `threads` threads of the team; alone if somebody else has it. Its status."""
        return self.library.run(self.team, step, table, min(self.threads, threads))

    def stop(self) -> None:
        """Let the workers end and wait for them, and for a step of another Python thread before."""
        if not self.workers:
            return
        end = time.monotonic() + 5.0
        while not self.library.claim(self.team):  # for ever: what comes later runs alone
            if time.monotonic() > end:
                return
            time.sleep(1e-4)
        self._word(t.QUIT).value = 1
        self._word(t.GENERATION).value += 1
        self.library.wake(self.team)
        libc = ctypes.CDLL(None)
        for handle in self.workers:
            libc.pthread_join(handle, None)
        self.workers = []
        self.threads = 1


_retired: list[Pool] = []  # somebody may still look at their memory
_pool: Pool | None = None
_changed = False
_pool_lock = threading.Lock()


def pool() -> Pool:
    """The process's pool, started at its first use and anew when `config.num_threads` was changed."""
    global _pool, _changed
    found = _pool
    if found is None or _changed or found.wanted != config.num_threads:
        with _pool_lock:
            _changed = False
            if _pool is None or _pool.wanted != config.num_threads:
                if _pool is not None:
                    _pool.stop()
                    _retired.append(_pool)
                _pool = Pool(config.num_threads)
            found = _pool
            found.library.entry.point_to(found.team, found.threads)
    return found


def number_changed() -> None:
    """`config.num_threads` is another: the next step starts another pool."""
    global _changed
    _changed = True
    if _library is not None:
        _library.entry.point_to(0, 0)


def _stop_at_exit() -> None:
    if _pool is not None:
        _pool.stop()


def _forget_after_fork() -> None:
    """A fork has no workers: its first step starts a pool of its own."""
    global _pool, _pool_lock, _library_lock
    if _pool is not None:
        _retired.append(_pool)
    _pool, _pool_lock, _library_lock = None, threading.Lock(), threading.Lock()
    number_changed()


atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)

__all__ = ["MOST", "Library", "Pool", "barrier", "library", "make_meanwhile", "pool", "symbols"]
