"""The code of the thread pool, generated like any kernel's: gathering a team, a worker's life, the barrier.

A team's memory is an array of words at the offsets below; what different threads write lies on cache lines of its own.

Gathering: the caller raises GENERATION; workers that see it in time take a TICKET; the caller closes the sale when all
have one or its patience ends, and says GO with the number that it got. So a worker that sleeps, or whose core somebody
else is using, is not waited for: the step runs on fewer threads, which changes no result. Patience is a part of what the
step took before. If nobody comes for a while (long enough to wake up), short steps do not ask for ten times as long; nor do
they after a team that was slowed down by another process on one of its cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.target import Target

GENERATION, TICKET, GO, DONE, ARRIVED, MEETING, OWNER, SLEEPERS = (64 * i for i in range(8))
STEP, TABLE, WANTED, THREADS = (512 + 8 * i for i in range(4))  # of the job
WORKERS, SPINS, QUIT, SHORTEST, LONGEST, LONG, GIVE_UP = (576 + 8 * i for i in range(7))  # settings
MISSED_SINCE, ASK_AGAIN = 640, 648  # in ticks; 0 is never
MUTEX, CONDITION = 704, 832  # pthread's, where there is no futex
DURATIONS = 1024  # 64 pairs: the address of a step, and the ticks that it takes
TEAM_BYTES = DURATIONS + 64 * 16

CLOSED = 0x8000  # in the ticket word: generation << 16 | closed | tickets taken
SPINS_BEFORE_YIELD = 300
CROWDED = 3  # times the usual duration of a step
FUTEX_WAIT, FUTEX_WAKE = 128, 129  # of one process
RUN = [("ptr", "team"), ("ptr", "step"), ("ptr", "table"), ("i64", "threads")]


def barrier(code: Code) -> None:
    """Write the meeting of all threads of the team; a kernel's or step's function has `threads` and `team`."""
    code.call("void", "alight_barrier", code["team"], code["threads"])


NAMES = (
    "alight_barrier", "alight_worker", "alight_gather", "alight_run", "alight_claim", "alight_wake", "alight_spin",
    "alight_ticks",
)  # fmt: skip


class Team:
    """Writes the functions for a machine. `futex` is the number of that system call; 0 takes a condition variable."""

    def __init__(self, target: Target, futex: int) -> None:
        self.is_arm, self.futex = target.triple.startswith(("aarch64", "arm64")), futex

    def functions(self) -> list[tuple[Code, Value | None]]:
        """Each function and what it returns in the end."""
        return [
            (self._barrier(), None),
            self._worker(),
            self._gather(),
            self._run(),
            self._claim(),
            (self._wake_all(), None),
            (self._spin(), None),
            self._ticks(),
        ]

    # -- small parts ---------------------------------------------------------------------------------------------------

    def _pause(self, code: Code) -> None:
        if self.is_arm:
            code.call("void", "llvm.aarch64.hint", Value("1", "i32"))
        else:
            code.call("void", "llvm.x86.sse2.pause")

    def _now(self, code: Code) -> Value:
        if self.is_arm:  # the counter that programs may read
            code.declared["llvm.read_volatile_register.i64"] = (
                'declare i64 @llvm.read_volatile_register.i64(metadata)\n!0 = !{!"CNTVCT_EL0"}'
            )
            return code.op("call i64 @llvm.read_volatile_register.i64(metadata !0)", type="i64")
        return code.call("i64", "llvm.readcyclecounter")

    def _yield(self, code: Code) -> None:
        code.call("i32", "sched_yield")

    def _wait_while(
        self, code: Code, busy: Callable[[], Value], spins: Value, rest: Callable[[Code], None]
    ) -> None:
        """Spin while `busy` holds; after `spins` pauses rest at each turn."""
        head, body, tired, after = (code.fresh(stem) for stem in ("wait", "busy", "tired", "go"))
        count = code.variable(code.integer(0))
        code.line(f"br label {head}")
        code.label(head)
        code.line(f"br {busy().typed}, label {body}, label {after}")
        code.label(body)
        self._pause(code)
        tries = code.add(count.get(), 1)
        count.set(tries)
        enough = code.compare("icmp sgt", tries, spins)
        code.line(f"br {enough.typed}, label {tired}, label {head}")
        code.label(tired)
        rest(code)
        code.line(f"br label {head}")
        code.label(after)

    def _system_call(self, code: Code, place: Value, operation: int, value: Value) -> None:
        code.declared["syscall"] = "declare i64 @syscall(i64, ...)"
        numbers = f"i64 {self.futex}, {place.typed}, i64 {operation}, {value.typed}, ptr null, ptr null, i64 0"
        code.op(f"call i64 (i64, ...) @syscall({numbers})", type="i64")

    # -- functions -----------------------------------------------------------------------------------------------------

    def _barrier(self) -> Code:
        code = Code("alight_barrier", [("ptr", "team"), ("i64", "threads")])
        with code.when(code.compare("icmp sgt", code["threads"], code.integer(1))):
            meeting = _place(code, MEETING)
            now = _load(code, meeting)
            before = _add(code, _place(code, ARRIVED), 1)
            with code.when(code.compare("icmp eq", code.add(before, 1), code["threads"])):
                _store(code, code.integer(0), _place(code, ARRIVED))
                _store(code, code.add(now, 1), meeting)

            def apart() -> Value:
                return code.compare("icmp eq", _load(code, meeting), now)

            self._wait_while(code, apart, code.integer(SPINS_BEFORE_YIELD), self._yield)
        return code

    def _sleep(self, code: Code, seen: Value) -> None:
        """Sleep while the generation is the one seen."""
        generation = _place(code, GENERATION)
        _add(code, _place(code, SLEEPERS), 1)
        if self.futex:
            low = code.op(f"trunc {seen.typed} to i32", type="i32")
            self._system_call(code, generation, FUTEX_WAIT, low)
        else:
            mutex, condition = _place(code, MUTEX), _place(code, CONDITION)
            code.call("i32", "pthread_mutex_lock", mutex)
            same = code.compare("icmp eq", _load(code, generation), seen)
            with code.when(same):  # woken for nothing, it comes here again
                code.call("i32", "pthread_cond_wait", condition, mutex)
            code.call("i32", "pthread_mutex_unlock", mutex)
        _add(code, _place(code, SLEEPERS), -1)

    def _wake_all(self) -> Code:
        code = Code("alight_wake", [("ptr", "team")])
        if self.futex:
            everyone = Value(str(0x7FFFFFFF), "i32")
            self._system_call(code, _place(code, GENERATION), FUTEX_WAKE, everyone)
        else:
            mutex = _place(code, MUTEX)
            code.call("i32", "pthread_mutex_lock", mutex)
            code.call("i32", "pthread_cond_broadcast", _place(code, CONDITION))
            code.call("i32", "pthread_mutex_unlock", mutex)
        return code

    def _worker(self) -> tuple[Code, Value]:
        """One thread's life: wait for a generation, take a ticket, run the job, say so."""
        code = Code("alight_worker", [("ptr", "team")], "ptr")
        seen = code.variable(code.integer(0))
        forever, here, done = (code.fresh(stem) for stem in ("forever", "here", "done"))
        code.line(f"br label {forever}")
        code.label(forever)
        last = seen.get()

        def same() -> Value:
            return code.compare("icmp eq", _load(code, _place(code, GENERATION)), last)

        spins = code.load("i64", _place(code, SPINS))
        self._wait_while(code, same, spins, lambda code: self._sleep(code, last))
        now = _load(code, _place(code, GENERATION))
        seen.set(now)
        leaving = code.compare("icmp ne", _load(code, _place(code, QUIT)), code.integer(0))
        code.line(f"br {leaving.typed}, label {done}, label {here}")
        code.label(here)
        with self._ticket(code, now) as (thread, wanted):
            full = code.compare("icmp eq", thread, wanted)  # nobody else can come
            apart = code.op("xor", full, Value("true", "i1"))

            def early() -> Value:
                waiting = code.compare("icmp ne", _load(code, _place(code, GO)), now)
                return code.op("and", apart, waiting)

            self._wait_while(code, early, code.integer(SPINS_BEFORE_YIELD), self._yield)
            step, table = (code.load("ptr", _place(code, at)) for at in (STEP, TABLE))
            came = code.load("i64", _place(code, THREADS))
            threads = code.select(full, code.add(wanted, 1), came)
            _call_step(code, step, table, thread, threads)
            _add(code, _place(code, DONE), 1)
        code.line(f"br label {forever}")
        code.label(done)
        return code, Value("null", "ptr")

    @contextmanager
    def _ticket(self, code: Code, generation: Value) -> Iterator[tuple[Value, Value]]:
        """The block runs if there is a ticket left for this generation; the thread's number, and how many there are."""
        ask, buy, mine, after = (code.fresh(stem) for stem in ("ask", "buy", "mine", "after"))
        code.line(f"br label {ask}")
        code.label(ask)
        word = _load(code, _place(code, TICKET))
        of = code.op("lshr", word, code.integer(16))
        taken = code.op("and", word, code.integer(0xFFFF))
        wanted = code.load("i64", _place(code, WANTED))
        left = code.compare("icmp slt", taken, wanted)
        current = code.compare("icmp eq", of, generation)
        code.line(f"br {code.op('and', left, current).typed}, label {buy}, label {after}")
        code.label(buy)
        got = _exchange_if(code, _place(code, TICKET), word, code.add(word, 1))
        code.line(f"br {got.typed}, label {mine}, label {ask}")
        code.label(mine)
        yield code.add(taken, 1), wanted
        code.line(f"br label {after}")
        code.label(after)

    def _gather(self) -> tuple[Code, Value]:
        """How many threads run a step: it is published, and whoever came in time waits for the caller's GO."""
        code = Code("alight_gather", RUN, "i64")
        count = code.variable(code.integer(1))
        usual = _usual_ticks(code)
        short = code.compare("icmp slt", usual, code.load("i64", _place(code, LONG)))
        again = code.load("i64", _place(code, ASK_AGAIN))
        skipped = code.op("and", short, code.compare("icmp slt", self._now(code), again))
        with code.when(code.op("xor", skipped, Value("true", "i1"))):
            generation = code.add(_load(code, _place(code, GENERATION)), 1)
            wanted = code.op("sub", code["threads"], code.integer(1))
            wanted = code.minimum(wanted, code.load("i64", _place(code, WORKERS)))
            for value, at in ((code["step"], STEP), (code["table"], TABLE), (wanted, WANTED)):
                code.store(value, _place(code, at))
            _store(code, code.integer(0), _place(code, DONE))
            start = code.op("shl", generation, code.integer(16))
            _store(code, start, _place(code, TICKET))
            _add(code, _place(code, GENERATION), 1)
            asleep = _load(code, _place(code, SLEEPERS), "seq_cst")
            with code.when(code.compare("icmp sgt", asleep, code.integer(0))):
                code.call("void", "alight_wake", code["team"])
            self._wait_for_tickets(code, wanted, usual)
            closed = code.op("or", start, code.integer(CLOSED))
            ticket = _place(code, TICKET)
            word = code.op(f"atomicrmw xchg {ticket.typed}, {closed.typed} acq_rel", type="i64")
            came = code.op("and", word, code.integer(CLOSED - 1))
            count.set(code.add(came, 1))
            code.store(count.get(), _place(code, THREADS))
            _store(code, generation, _place(code, GO))
            self._note_misses(code, came)
        return code, count.get()

    def _wait_for_tickets(self, code: Code, wanted: Value, usual: Value) -> None:
        shortest, longest = (code.load("i64", _place(code, at)) for at in (SHORTEST, LONGEST))
        patience = code.op("ashr", usual, code.integer(2))
        patience = code.minimum(code.maximum(patience, shortest), longest)
        end = code.add(self._now(code), patience)

        def fewer() -> Value:
            word = _load(code, _place(code, TICKET))
            taken = code.op("and", word, code.integer(CLOSED - 1))
            missing = code.compare("icmp slt", taken, wanted)
            return code.op("and", missing, code.compare("icmp slt", self._now(code), end))

        self._wait_while(code, fewer, code.integer(1 << 40), lambda code: None)

    def _note_misses(self, code: Code, came: Value) -> None:
        """If nobody came since long, do not ask for a while."""
        zero, now = code.integer(0), self._now(code)
        since = code.load("i64", _place(code, MISSED_SINCE))
        since = code.select(code.compare("icmp eq", since, zero), now, since)
        give_up = code.load("i64", _place(code, GIVE_UP))
        nobody = code.compare("icmp eq", came, zero)
        long = code.compare("icmp sgt", code.op("sub", now, since), give_up)
        long = code.op("and", nobody, long)
        with code.when(long):
            until = code.add(now, code.mul(give_up, 10))
            code.store(until, _place(code, ASK_AGAIN))
        waiting = code.op("xor", nobody, long)
        code.store(code.select(waiting, since, zero), _place(code, MISSED_SINCE))

    def _note_crowd(self, code: Code, ticks: Value, count: Value) -> None:
        """If a team took much longer than usual, its threads had to share a core: do not ask for a while."""
        much = code.mul(_usual_ticks(code), CROWDED)
        slow = code.compare("icmp sgt", ticks, much)
        with code.when(code.op("and", slow, code.compare("icmp sgt", count, code.integer(1)))):
            pause = code.mul(code.load("i64", _place(code, GIVE_UP)), 10)
            code.store(code.add(self._now(code), pause), _place(code, ASK_AGAIN))

    def _run(self) -> tuple[Code, Value]:
        """Run a step on up to so many threads, alone if somebody else has the team; its status."""
        code = Code("alight_run", RUN, "i32")
        count, owned = code.variable(code.integer(1)), code.variable(Value("false", "i1"))
        start = code.variable(code.integer(0))
        with code.when(code.compare("icmp sgt", code["threads"], code.integer(1))):
            free = _exchange_if(code, _place(code, OWNER), code.integer(0), code.integer(1))
            owned.set(free)
            with code.when(free):
                start.set(self._now(code))
                count.set(code.call("i64", "alight_gather", *code.parameters.values()))
        status = _call_step(code, code["step"], code["table"], code.integer(0), count.get())
        with code.when(owned.get()):
            with code.when(code.compare("icmp sgt", count.get(), code.integer(1))):

                def busy() -> Value:
                    done = code.add(_load(code, _place(code, DONE)), 1)
                    return code.compare("icmp slt", done, count.get())

                self._wait_while(code, busy, code.integer(SPINS_BEFORE_YIELD), self._yield)
            ticks = code.op("sub", self._now(code), start.get())
            self._note_crowd(code, ticks, count.get())
            _note_ticks(code, ticks)
            _store(code, code.integer(0), _place(code, OWNER))
        return code, status

    def _claim(self) -> tuple[Code, Value]:
        """1 if the team was free and is now the caller's."""
        code = Code("alight_claim", [("ptr", "team")], "i64")
        got = _exchange_if(code, _place(code, OWNER), code.integer(0), code.integer(1))
        return code, code.op(f"zext {got.typed} to i64", type="i64")

    def _spin(self) -> Code:
        """`count` pauses, to learn how long one takes."""
        code = Code("alight_spin", [("i64", "count")])
        with code.loop(code.integer(0), code["count"]):
            self._pause(code)
        return code

    def _ticks(self) -> tuple[Code, Value]:
        """The clock that patience is measured with."""
        code = Code("alight_ticks", [], "i64")
        return code, self._now(code)


def _place(code: Code, offset: int) -> Value:
    return code.element(code["team"], offset, 1)


def _load(code: Code, place: Value, order: str = "acquire") -> Value:
    return code.op(f"load atomic i64, {place.typed} {order}, align 8", type="i64")


def _store(code: Code, value: Value, place: Value) -> None:
    code.line(f"store atomic {value.typed}, {place.typed} release, align 8")


def _add(code: Code, place: Value, value: int) -> Value:
    """The value before."""
    return code.op(f"atomicrmw add {place.typed}, i64 {value} seq_cst", type="i64")


def _exchange_if(code: Code, place: Value, old: Value, new: Value) -> Value:
    """Whether `old` was there, which is now `new`."""
    pair = code.op(
        f"cmpxchg {place.typed}, {old.typed}, {new.typed} acq_rel acquire", type="{ i64, i1 }"
    )
    return code.op(f"extractvalue {pair.typed}, 1", type="i1")


def _call_step(code: Code, step: Value, table: Value, thread: Value, threads: Value) -> Value:
    arguments = ", ".join(value.typed for value in (table, thread, threads, code["team"]))
    return code.op(f"call i32 {step.text}({arguments})", type="i32")


def _duration_place(code: Code) -> Value:
    number = code.op(f"ptrtoint {code['step'].typed} to i64", type="i64")
    slot = code.op("and", code.op("lshr", number, code.integer(4)), code.integer(63))
    return code.element(_place(code, DURATIONS), code.mul(slot, 2), 8)


def _usual_ticks(code: Code) -> Value:
    """What the step took before; a long time if that is not known."""
    place = _duration_place(code)
    known = code.compare("icmp eq", code.load("ptr", place), code["step"])
    return code.select(known, code.load("i64", code.element(place, 1, 8)), code.integer(1 << 40))


def _note_ticks(code: Code, ticks: Value) -> None:
    """Keep what a step took, half old and half new; an interruption counts twice the old time at most."""
    place, old = _duration_place(code), _usual_ticks(code)
    bounded = code.minimum(ticks, code.add(old, old))
    mean = code.op("ashr", code.add(bounded, old), code.integer(1))
    new = code.compare("icmp eq", old, code.integer(1 << 40))
    code.store(code["step"], place)
    code.store(code.select(new, ticks, mean), code.element(place, 1, 8))
