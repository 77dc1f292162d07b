"""Calls from Python into compiled code: what fits goes through, what does not is named, and nothing is read wrongly."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from alight import dtypes as d
from alight.backends.cpu import entry, jit, threads
from alight.backends.cpu.code import Code, vector
from alight.backends.cpu.entry import fitting, make_entry
from alight.backends.cpu.target import host
from alight.backends.interpreter.arrays import number_of, numpy_dtype

STEP = [("ptr", "table"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")]


def linked(code: Code, status: int = 0, symbols: dict[str, int] | None = None) -> Any:
    text = jit.module_text([code.finish(code.integer32(status))], code.declared.values(), host())
    return jit.link(jit.object_code(text), [code.name], symbols)


def copying(sizes: list[int], status: int = 0) -> Any:
    """A step that copies each input's bytes to the output of its number."""
    code = Code("step", STEP, "i32")
    pointers = [code.load("ptr", code.element(code["table"], i, 8)) for i in range(2 * len(sizes))]
    with code.when(code.compare("icmp eq", code["thread"], code.integer(0))):
        for i, size in enumerate(sizes):
            with code.loop(code.integer(0), code.integer(size)) as at:
                byte = code.load("i8", code.element(pointers[i], at, 1))
                code.store(byte, code.element(pointers[len(sizes) + i], at, 1))
    return linked(code, status)


@pytest.fixture(params=["fast", "slow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The entry, and the one for interpreters whose objects lie differently."""
    if request.param == "slow":
        monkeypatch.setattr(threads.library().entry, "enter", None)
    return str(request.param)


def entered(places: list[tuple[tuple[int, ...], d.dtype]], **options: Any) -> Any:
    """An entry that copies its arguments, as a function of them that gives status and copies."""
    sizes = [int(np.prod(shape)) * numpy_dtype(of).itemsize for shape, of in places]
    module = copying(sizes, options.pop("status", 0))
    enter = make_entry(module.addresses["step"], places, places, **options)
    arena = np.zeros(64, np.uint8)

    def call(*arguments: Any) -> tuple[int, list[Any]]:
        results = [np.zeros(shape, numpy_dtype(of)) for shape, of in places]
        return enter(list(arguments), results, arena), results

    call.module = module  # type: ignore[attr-defined]
    return call


def test_the_layout_is_known_here() -> None:
    assert entry.layout_is_known()


@pytest.mark.parametrize("options", [{}, {"direct": True}, {"release": False}, {"most": 1}])
def test_arrays(way: str, options: dict[str, Any]) -> None:
    places = [
        ((3, 4), d.float32),
        ((5,), d.int64),
        ((), d.float64),
        ((2, 0), d.bool_),
        ((7,), d.uint8),
    ]
    call = entered(places, **options)
    rng = np.random.default_rng(0)
    given = [np.asarray(rng.integers(0, 9, shape)).astype(numpy_dtype(of)) for shape, of in places]
    status, results = call(*given)
    assert status == 0
    for one, result in zip(given, results, strict=True):
        np.testing.assert_array_equal(one, result)


def test_what_does_not_fit_is_named(way: str) -> None:
    call = entered([((3, 4), d.float32), ((4,), d.int32)])
    x, y = np.zeros((3, 4), np.float32), np.zeros(4, np.int32)
    unaligned = np.zeros(50, np.uint8)[1:49].view(np.float32).reshape(3, 4)
    wrong = [x.astype(np.float64), x.T, x.reshape(4, 3), x.reshape(12), x[:, ::-1], np.zeros((3, 8), np.float32)[:, ::2],
             x[:2], x.astype(">f4"), [1.0], None, 2.0, unaligned, np.float32(1), x.view(np.recarray)]  # fmt: skip
    for one in wrong:
        assert call(one, y)[0] == -1, one
        assert call(x, one)[0] == -2, one
    assert call(x, y)[0] == 0


@pytest.mark.parametrize("of", [of for of in d.ALL if not of.is_complex], ids=lambda of: of.name)
def test_numbers_become_the_dtype(way: str, of: d.dtype) -> None:
    call = entered([((), of)])
    numbers = [0, 1, -1, 7, 300, -(2**31), 2**40 + 1, 2**63, 10**30, True, False]
    numbers += (
        [] if of.kind in "uib" else [0.1, -2.5, 1e300, float("inf"), float("nan"), 1e-42, -0.0]
    )
    with np.errstate(all="ignore"):
        for number in numbers:
            status, (result,) = call(number)
            expected = np.asarray(number_of(of)(number))
            if status == -1:
                status, (result,) = call(fitting(number, (), of))
            assert status == 0
            np.testing.assert_array_equal(result, expected, err_msg=repr(number))
            np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))
    common = 0.5 if of in (d.float32, d.float64) else True if of is d.bool_ else 5
    if of not in (d.float16, d.bfloat16):
        assert call(common)[0] == 0
    assert call("text")[0] == -1
    assert of.kind != "f" or call(10**400)[0] == -1  # and no error is left behind
    assert call(np.zeros((), numpy_dtype(of)))[0] == 0


def test_a_number_that_does_not_fit_its_kind(way: str) -> None:
    call = entered([((), d.int64), ((), d.bool_)])
    if way == "fast":
        assert call(1.5, True)[0] == -1 and call(1, 2)[0] == -2
    assert call(1, True)[0] == 0


def test_fitting_makes_it_fit() -> None:
    x = np.arange(12.0).reshape(3, 4)
    call = entered([((4, 3), d.float32)])
    for given in (x.T, np.asfortranarray(x.T), x.reshape(12), x.reshape(4, 3).astype(np.int64)):
        status, (result,) = call(fitting(given, (4, 3), d.float32))
        assert status == 0
        np.testing.assert_array_equal(result, given.reshape(4, 3))


def test_the_number_of_a_failing_check(way: str) -> None:
    assert entered([((2,), d.float32)], status=3)(np.zeros(2, np.float32))[0] == 3
    code = Code("step", STEP, "i32")  # reports in the first word of the arena
    code.store(code.integer32(9), code.load("ptr", code.element(code["table"], 0, 8)))
    module = linked(code)
    enter = make_entry(module.addresses["step"], [], [])
    arena = np.full(64, 255, np.uint8)
    assert enter([], [], arena) == 9


def test_constants(way: str) -> None:
    held = np.array([42], np.int64)
    code = Code("step", STEP, "i32")  # output 0 at 0, the arena at 1, constants at 2
    out, _, constants = (code.load("ptr", code.element(code["table"], i, 8)) for i in range(3))
    code.store(code.load("i64", constants), out)
    module = linked(code)
    enter = make_entry(module.addresses["step"], [], [((1,), d.int64)], constants=held.ctypes.data)
    result = np.zeros(1, np.int64)
    assert enter([], [result], np.zeros(64, np.uint8)) == 0 and result[0] == 42


def test_lists_of_another_length() -> None:
    call = entered([((2,), d.float32)])
    x = np.zeros(2, np.float32)
    assert call(x, x)[0] == entry.MISFIT and call()[0] == entry.MISFIT


def sleeping(microseconds: int) -> Any:
    code = Code("step", STEP, "i32")
    with code.when(code.compare("icmp eq", code["thread"], code.integer(0))):
        code.call("i32", "usleep", code.integer32(microseconds))
    return linked(code)


def test_other_threads_run_meanwhile() -> None:
    module, seen, stop = sleeping(100_000), [], []
    enter = make_entry(module.addresses["step"], [], [], direct=True)

    def count() -> None:
        while not stop:
            seen.append(time.perf_counter())
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    start = time.perf_counter()
    enter([], [], np.zeros(64, np.uint8))
    end = time.perf_counter()
    stop.append(1)
    other.join()
    assert sum(start < at < end for at in seen) > 3


def test_nothing_is_kept_or_lost() -> None:
    call = entered([((4,), d.float32), ((), d.float32)])
    x, number = np.zeros(4, np.float32), 0.1234567
    before = sys.getrefcount(x), sys.getrefcount(number)
    for _ in range(1000):
        call(x, number)
        call(number, x)
    assert (sys.getrefcount(x), sys.getrefcount(number)) == before


def test_a_function_keeps_its_block() -> None:
    functions = [entered([((n,), d.float32)]) for n in range(1, 50)]
    np.zeros(100_000)
    for n, call in enumerate(functions, 1):
        x = np.arange(n, dtype=np.float32)
        status, (result,) = call(x)
        assert status == 0 and (result == x).all()


def test_set_num_threads_reaches_compiled_code() -> None:
    import alight

    code = Code("step", STEP, "i32")
    with code.when(code.compare("icmp eq", code["thread"], code.integer(0))):
        code.store(code["threads"], code.load("ptr", code.element(code["table"], 0, 8)))
    module = linked(code)
    enter, result = (
        make_entry(module.addresses["step"], [], [((1,), d.int64)]),
        np.zeros(1, np.int64),
    )
    before = alight.get_num_threads()
    try:
        for count in (3, 1, 2):
            alight.set_num_threads(count)
            enter([], [result], np.zeros(64, np.uint8))
            assert threads.pool().threads == count == alight.get_num_threads()
            assert 1 <= result[0] <= count
    finally:
        alight.set_num_threads(before)


def test_code_of_a_vector_step_is_called() -> None:
    code = Code("step", STEP, "i32")
    x, y = (code.load("ptr", code.element(code["table"], i, 8)) for i in range(2))
    four = vector("float", 4)
    code.store(code.op("fadd", code.load(four, x), code.constant(1.0, four)), y)
    module = linked(code)
    enter = make_entry(module.addresses["step"], [((4,), d.float32)], [((4,), d.float32)], most=1)
    result = np.zeros(4, np.float32)
    assert enter([np.arange(4, dtype=np.float32)], [result], np.zeros(8, np.uint8)) == 0
    np.testing.assert_array_equal(result, [1, 2, 3, 4])


def test_threads_of_python_changes_of_the_pool_and_barriers_at_once() -> None:
    import alight

    code = Code(
        "step", STEP, "i32"
    )  # each thread marks its cell of a round, and looks for everybody's
    cells = code.load("ptr", code.element(code["table"], 0, 8))
    failures = code.element(cells, 64, 8)
    with code.loop(code.integer(1), code.integer(20)) as number:
        code.store(number, code.element(cells, code["thread"], 8))
        threads.barrier(code)
        with code.loop(code.integer(0), code["threads"]) as other:
            found = code.load("i64", code.element(cells, other, 8))
            with code.when(code.compare("icmp ne", found, number)):
                code.store(number, failures)
        threads.barrier(code)
    module = linked(code, symbols=threads.symbols())
    enter = make_entry(module.addresses["step"], [], [((65,), d.int64)])
    wrong, stop = [], []

    def work() -> None:
        result, arena = np.zeros(65, np.int64), np.zeros(64, np.uint8)
        while not stop:
            if enter([], [result], arena) or result[64]:
                wrong.append(result.copy())

    workers = [threading.Thread(target=work) for _ in range(3)]
    before = alight.get_num_threads()
    for worker in workers:
        worker.start()
    try:
        for count in (1, 3, 2, 5, 2, 2, 4) * 5:
            alight.set_num_threads(count)
            time.sleep(0.02)
    finally:
        stop.append(1)
        for worker in workers:
            worker.join()
        alight.set_num_threads(before)
    assert not wrong
