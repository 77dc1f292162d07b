"""Hot programs: interpreted at first, compiled in the background once they were run a few times.

In: a program, how to interpret it, how to compile it, and how to find it compiled already. Out: a callable that always
works. What an earlier process compiled is used from the first run on. Else a program is compiled after `config.hot`
runs, or at its second if a run takes long, on a thread of its own while the interpreter goes on; with ALIGHT_HOT=0, at
its first run and at once. One that will take long is compiled at its first run already, unless the script does not
seem to repeat itself; a run that the compiler overtakes is broken off and begun anew in compiled code. Differs: what is
computed again once it is compiled may differ from the interpreter's result in the last bit. A compilation that failed
is remembered with its reason, never tried again.
"""

from __future__ import annotations

import atexit
import itertools
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from time import perf_counter
from typing import Any, Protocol

from alight import config
from alight.compiler.effort import LONG_RUN, interpreted_seconds, may_run_again
from alight.ir.program import Program

TURN = 0.0003  # seconds that a thread keeps Python to itself while something is compiled
FILLS = 10  # times as many runs of a program that only fills tensors, as while a network is built
AHEAD = 2  # programs compiled at their first run that have not come again, beyond as many long ones as have come again
OVERTAKEN = 0.8  # of a run: what is further than that is not begun anew
SHORT_RUN = (
    0.005  # seconds of a run that is mostly Python's, whose thread the compiler has to wait for
)
PATIENCE = 0.03  # seconds of such runs until they wait for the compiler instead
FILLING = frozenset({"full", "convert", "reshape", "expand"})
DOSE, DOSES = 0.01, 50  # how long one run waits for it, and how often that is done at most

Run = Callable[[Sequence[Any]], list[Any]]


class Hot:
    """A program that gets faster."""

    __slots__ = (
        "__weakref__", "asked", "cold", "compile", "doses", "early", "interpret", "is_long", "made", "may_break_off",
        "program", "reason", "recall", "recalled", "run", "runs", "spent",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        interpret: Callable[[Program], Callable[..., Any]],
        compile: Callable[[Program], Run],
        recall: Callable[[Program], Run | None] = lambda program: None,
    ) -> None:
        self.program, self.interpret, self.compile, self.recall = (
            program,
            interpret,
            compile,
            recall,
        )
        self.cold: Callable[..., Any] | None = None  # the interpreter's plan, once it is needed
        self.made: Run | None = None  # compiled
        self.runs, self.spent = 0, 0.0  # of the interpreter, and the seconds that they took
        self.asked = False  # it is being compiled, or will be
        self.early = False  # since its first run, and it has not come again
        self.is_long = False  # a run will take long, as far as one can tell
        self.may_break_off = False  # a run of the interpreter
        self.doses = DOSES  # left
        self.reason = ""  # why it is not compiled, for people
        self.recalled = False  # its code was found on disk
        self.run: Run = self._first

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        return self.run(arguments)

    @property
    def tier(self) -> int:
        """1 once it is compiled."""
        return int(self.run not in (self.cold, self._first, self._count))

    def _first(self, arguments: Sequence[Any]) -> list[Any]:
        if config.tier < 1 or not self.program.nodes:
            self.run = self.cold = self.interpret(self.program)
            self.reason = "ALIGHT_TIER=0" if self.program.nodes else "nothing to compute"
            return self.run(arguments)
        found = self._found()
        self.recalled = found is not None
        self.run = found or self._count
        return self.run(arguments)

    def _found(self) -> Run | None:
        try:
            return self.recall(self.program)
        except Exception:
            if config.check:
                raise
            return None

    def _count(self, arguments: Sequence[Any]) -> list[Any]:
        if self.is_long and self.runs == 1:
            background.again += 1
            background.ahead -= self.early
            self.early = False
        if self.asked and self.made is None:
            self._wait_a_little()
        if self.made is not None:
            self.run = self.made
            return self.run(arguments)
        self.runs += 1
        if config.hot <= 0:
            self.make()
            return self.run(arguments)
        if not self.asked:
            self._consider()
        if self.cold is None:
            self.cold = self.interpret(self.program)
        before = perf_counter()
        results = self._interpreted(self.cold, arguments)
        self.spent += perf_counter() - before
        return results

    def _consider(self) -> None:
        """Have it compiled if it is time for that."""
        expected = 0.0
        if self.runs == 1:
            expected = interpreted_seconds(self.program)
            self.is_long = expected > LONG_RUN
            self.may_break_off = self.is_long and may_run_again(self.program)
            some_left = background.ahead < AHEAD + background.again
            self.early = self.is_long and some_left and config.hot > 1
            background.ahead += self.early
        took_long = self.runs > 1 and self.spent > LONG_RUN * (self.runs - 1)
        enough = config.hot
        if enough > 1 and all(one.primitive.name in FILLING for one in self.program.nodes):
            enough *= FILLS
        self.asked = self.runs >= enough or took_long or self.early
        self.reason = f"run {self.runs} of {enough} before it is compiled"
        if self.asked:
            self.reason = "being compiled"
            background.submit(self, max(expected, self.spent))

    def _wait_a_little(self) -> None:
        """Python runs one thread at a time: let the compiler have it, once it has waited for many short runs."""
        if self.doses and PATIENCE < self.spent < SHORT_RUN * self.runs:
            self.doses -= 1
            background.wait_for_one(DOSE)

    def _interpreted(self, cold: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
        if self.asked and self.may_break_off:
            results = cold(arguments, self._is_overtaken)
            if results is None:
                assert self.made is not None
                results = self.made(arguments)
        else:
            results = cold(arguments)
        return results  # type: ignore[no-any-return]

    def _is_overtaken(self, done: float) -> bool:
        """Whether a run that is as far as `done` would end sooner if it were begun anew."""
        return self.made is not None and done < OVERTAKEN

    def make(self) -> None:
        """Compile now."""
        try:
            made = self.compile(self.program)
            self.reason = ""
            if not self.early:  # else its next run counts, and takes it
                self.run = made
            self.made = made
        except Exception as error:
            self.cold = self.cold or self.interpret(self.program)
            self.run, self.reason = self.cold, f"{type(error).__name__}: {error}"
            if config.check:
                raise


class Job(Protocol):
    """What can be compiled."""

    def make(self) -> None:
        """Do it."""


class Stopped(Exception):  # noqa: N818  (not an error: the program ends)
    """Nobody will run what is being compiled."""


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let Python's threads take turns often: LLVM gives the turn up at each call, and waits for it as often.

    With Python's 5 ms a loop of the script's own makes compiling a small program take 1.6 s, with these 0.4 s.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        if sys.getswitchinterval() == TURN:  # else the script has said what it wants
            sys.setswitchinterval(before)


# How long runs took (negative), the number of the job, and the job; None to end.
Waiting = queue.PriorityQueue[tuple[float, int, weakref.ref[Job] | None]]


class Background:
    """One thread that compiles what is hot, first what takes longest; what nobody holds by then is left out."""

    def __init__(self) -> None:
        self.waiting: Waiting = queue.PriorityQueue()
        self.count = itertools.count()  # of jobs
        self.ahead = 0  # programs compiled at their first run that have not come again
        self.again = 0  # long programs that have come again
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()
        self.idle = threading.Condition()
        self.pending = 0
        self.stopping = False

    def check(self) -> None:
        """Called by what compiles, now and then: raises Stopped when the program is about to end."""
        if self.stopping and threading.current_thread() is self.thread:
            raise Stopped

    def submit(self, job: Job, seconds: float = 0.0) -> None:
        """Compile a program soon, before others whose runs took less time."""
        with self.lock:
            if self.thread is None or not self.thread.is_alive():  # a fork leaves no threads
                self.waiting = queue.PriorityQueue()
                self.pending = 0
                self.thread = threading.Thread(
                    target=self._work, args=(self.waiting,), name="alight-compiler", daemon=True
                )
                self.thread.start()
        with self.idle:
            self.pending += 1
        self.waiting.put((-seconds, next(self.count), weakref.ref(job)))

    def _work(self, waiting: Waiting) -> None:
        while True:
            _, _, found = waiting.get()
            if found is None:
                return
            job = found()
            try:
                if job is not None:
                    with _short_turns():
                        job.make()
            except Exception:
                if config.check:
                    raise
            finally:
                del job
                with self.idle:
                    self.pending -= 1
                    self.idle.notify_all()

    def wait(self, seconds: float = 60.0) -> bool:
        """Until everything submitted so far is compiled: for benchmarks and tests."""
        with self.idle:
            return self.idle.wait_for(lambda: self.pending == 0, seconds)

    def wait_for_one(self, seconds: float) -> None:
        """Until something is compiled, or so long."""
        with self.idle:
            if self.pending and self.thread is not None and self.thread.is_alive():
                self.idle.wait(seconds)

    def stop(self) -> None:
        """At exit: let the compilation that is under way end, so that nothing runs in a dying interpreter."""
        if self.thread is not None and self.thread.is_alive():
            self.stopping, waiting = True, self.waiting
            while not waiting.empty():
                waiting.get()
            waiting.put((-inf, 0, None))
            self.thread.join(5.0)


background = Background()
atexit.register(background.stop)
