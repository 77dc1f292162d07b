"""Programs compiled at their first run, runs that the compiler overtakes, and who waits for whom."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from alight import config
from alight.backends.interpreter.plan import compile_program
from alight.compiler import hot
from alight.compiler.effort import interpreted_seconds, may_run_again
from alight.compiler.hot import AHEAD, DOSES, Background, Hot
from alight.ir.text import parse

SMALL = parse("program(%0: f32[8]) { %1: f32[8] = exp(%0) return %1 }")
LARGE = parse(
    "program(%0: f32[2000,2000]) {"
    "%1: f32[2000,2000] = dot_general(%0, %0) batch=((), ()) contract=((1,), (0,)) return %1 }"
)


@pytest.fixture
def background(monkeypatch):
    """A background of its own, so that nothing of other tests counts."""
    monkeypatch.setattr(config, "hot", 3)
    monkeypatch.setattr(config, "tier", 1)
    own = Background()
    monkeypatch.setattr(hot, "background", own)
    yield own
    own.stop()


def interpreted(arguments, given_up=None):
    return ["interpreted"]


def compiled(arguments):
    return ["compiled"]


def made(program):
    return Hot(program, lambda program: interpreted, lambda program: compiled)


def test_what_takes_long_is_known_before_it_runs():
    assert interpreted_seconds(LARGE) > hot.LONG_RUN > 100 * interpreted_seconds(SMALL)
    loop = parse(
        "program(%0: f32[8]) { %1: f32[8] = scan(%0) body=program(%0: f32[8]) "
        "{ %1: f32[8] = exp(%0) return %1 } length=100000 carry_count=1 constant_count=0 reverse=False return %1 }"
    )
    assert interpreted_seconds(loop) > hot.LONG_RUN
    assert may_run_again(LARGE)


def test_a_long_program_is_compiled_at_its_first_run_a_short_one_at_its_third(background):
    long, short = made(LARGE), made(SMALL)
    for one, runs in ((long, 1), (short, 3)):
        for run in range(runs):
            assert not one.asked, run
            assert one([]) == ["interpreted"]
        assert one.asked and background.wait()
        assert one([]) == ["compiled"] and one.tier == 1


def test_a_script_that_never_repeats_itself_compiles_no_more_than_a_few(background):
    several = [made(LARGE) for _ in range(5)]
    for one in several:
        one([])
    assert [one.asked for one in several] == [True] * AHEAD + [False] * (5 - AHEAD)
    assert background.wait() and (background.ahead, background.again) == (AHEAD, 0)
    several[0]([])
    several[-1](
        []
    )  # two come again, so two more may be taken for such, and one in place of the first
    assert (background.ahead, background.again) == (AHEAD - 1, 2)
    another = [made(LARGE) for _ in range(4)]
    for one in another:
        one([])
    assert [one.asked for one in another] == [True] * 3 + [False]
    several[0]([])  # a third run tells nothing new
    assert background.again == 2


def test_a_run_that_the_compiler_overtakes_is_begun_anew(background):
    asked = threading.Event()

    def interpret(program):
        def run(arguments, given_up):
            asked.set()
            assert background.wait()
            assert not given_up(0.95) and given_up(0.5)

        return run

    def compile(program):
        assert asked.wait(60)
        return compiled

    one = Hot(LARGE, interpret, compile)
    assert one([]) == ["compiled"] and one.runs == 1
    assert one([]) == ["compiled"] and one.runs == 1 and background.ahead == 0


def test_the_interpreter_can_be_broken_off_and_leaves_its_inputs_alone():
    text = "program(%0: f32[3]) {{ {} return %40 }}"
    nodes = " ".join(f"%{n}: f32[3] = exp(%{n - 1})" for n in range(1, 41))
    run = compile_program(parse(text.format(nodes)))
    x, seen = np.full(3, -5.0, np.float32), []

    def given_up(done):
        seen.append(done)
        return len(seen) == 3

    with np.errstate(all="ignore"):
        expected = run([x])[0]
    assert run([x], given_up) is None and x.tolist() == [-5.0] * 3
    assert seen[0] == 0 and seen == sorted(seen) and seen[-1] < 1
    np.testing.assert_array_equal(run([x], lambda done: False)[0], expected)


def test_what_took_longest_is_compiled_first(background):
    order, begun, go_on = [], threading.Event(), threading.Event()

    class Job:
        def __init__(self, name):
            self.name = name

        def make(self):
            order.append(self.name)
            begun.set()
            assert go_on.wait(60)

    jobs = [Job(name) for name in "abcd"]
    background.submit(jobs[0])
    assert begun.wait(60)
    for job, seconds in zip(jobs[1:], (0.1, 0.3, 0.2), strict=True):
        background.submit(job, seconds)
    go_on.set()
    assert background.wait() and order == ["a", "c", "d", "b"]


def test_short_runs_wait_for_the_compiler_in_doses(background, monkeypatch):
    go_on, waits = threading.Event(), []

    def compile(program):
        assert go_on.wait(60)
        return compiled

    one = Hot(SMALL, lambda program: interpreted, compile)
    monkeypatch.setattr(background, "wait_for_one", waits.append)
    for _ in range(20):
        one([])
    assert one.asked and not waits  # they have not taken long enough together
    one.spent = 0.05
    for _ in range(100):
        one([])
    assert waits == [hot.DOSE] * DOSES and hot.DOSE <= 0.02
    one.doses, one.spent = DOSES, 100.0  # long ones, which leave Python to others by themselves
    one([])
    assert len(waits) == DOSES
    go_on.set()
    assert background.wait() and one([]) == ["compiled"]
