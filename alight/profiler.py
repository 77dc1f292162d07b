"""torch.profiler: times of named parts of a program. What alight itself does, `alight.explain()` says.

Differs: only blocks of `record_function` are counted, not single operations, which do not run one by one.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

from alight.offered import listing
from alight.record.recorder import thread


class ProfilerActivity(Enum):
    """What is watched.

    >>> import alight as torch
    >>> torch.profiler.ProfilerActivity.CPU.name
    'CPU'
    """

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3


class ProfilerAction(Enum):
    """What happens in a step.

    >>> import alight as torch
    >>> torch.profiler.ProfilerAction.NONE.name
    'NONE'
    """

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class _Event(NamedTuple):
    name: str
    start_us: float
    time_us: float


_watching: list[profile] = []


class record_function:  # noqa: N801
    """A named part of a program, as a block or a decorator: pending work is run at its end, so that its time is its own.

    >>> with profile() as watched, record_function("part"):
    ...     pass
    >>> watched.key_averages()[0].key
    'part'
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        if _watching:
            thread.recorder.flush("profiler")
        self.start = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        if not _watching:
            return
        thread.recorder.flush("profiler")
        stop = time.perf_counter()
        for one in _watching:
            one._events.append(_Event(self.name, self.start * 1e6, (stop - self.start) * 1e6))

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return fn(*args, **kwargs)

        return wrapped


class FunctionEventAvg(NamedTuple):
    """All blocks of one name together; times in microseconds.

    >>> import alight as torch
    >>> with torch.profiler.profile() as prof:
    ...     with torch.profiler.record_function('work'):
    ...         _ = torch.ones(2).sum().item()
    >>> [event.count for event in prof.key_averages() if event.key == 'work']
    [1]
    """

    key: str
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    cpu_time_total: float

    @property
    def cpu_time(self) -> float:
        """The mean time of a block."""
        return self.cpu_time_total / self.count

    @property
    def self_cpu_time_total(self) -> float:
        """The same: blocks do not know what ran inside them."""
        return self.cpu_time_total

    @property
    def device_time_total(self) -> float:
        """Time on a device, which is none."""
        return 0.0

    @property
    def self_device_time_total(self) -> float:
        """The same."""
        return 0.0

    @property
    def cuda_time_total(self) -> float:
        """The same, by its older name."""
        return 0.0


class EventList(list[FunctionEventAvg]):
    """Averages by name, with a table.

    >>> import alight as torch
    >>> with torch.profiler.profile() as prof:
    ...     with torch.profiler.record_function('work'):
    ...         _ = torch.ones(2).sum().item()
    >>> 'work' in [event.key for event in prof.key_averages()]
    True
    """

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        header: str | None = None,
        **options: Any,
    ) -> str:
        """The averages as text, the longest first."""
        rows = sorted(self, key=lambda one: -one.cpu_time_total)[
            : row_limit if row_limit >= 0 else None
        ]
        width = max([len(one.key) for one in rows] + [4])
        lines = [f"{'Name':>{width}}  {'CPU total':>12}  {'CPU time avg':>12}  {'# of Calls':>10}"]
        lines += [
            f"{one.key:>{width}}  {one.cpu_time_total:>10.3f}us  {one.cpu_time:>10.3f}us  {one.count:>10}"
            for one in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([header or "", rule, lines[0], rule, *lines[1:], rule]).lstrip("\n")

    def total_average(self) -> FunctionEventAvg:
        """All of them together."""
        return FunctionEventAvg(
            "Total", sum(one.count for one in self), sum(one.cpu_time_total for one in self)
        )


class profile:  # noqa: N801
    """A block in which parts named by `record_function` are timed.

    >>> with profile(activities=[ProfilerActivity.CPU]) as watched:
    ...     with record_function("part"):
    ...         pass
    >>> [one.count for one in watched.key_averages()]
    [1]
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        **options: Any,
    ) -> None:
        self.schedule, self.on_trace_ready = schedule, on_trace_ready
        self.step_num = 0
        self._events: list[_Event] = []

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch."""
        _watching.append(self)

    def stop(self) -> None:
        """End it."""
        if self in _watching:
            _watching.remove(self)
        if self.on_trace_ready is not None and self.schedule is None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """The next step of the schedule."""
        if (
            self.schedule is not None
            and self.schedule(self.step_num) is ProfilerAction.RECORD_AND_SAVE
        ):
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        self.step_num += 1

    def events(self) -> list[_Event]:
        """Every block that was timed."""
        return list(self._events)

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0
    ) -> EventList:
        """Blocks by name."""
        totals: dict[str, list[float]] = {}
        for event in self._events:
            totals.setdefault(event.name, []).append(event.time_us)
        return EventList(
            FunctionEventAvg(name, len(times), sum(times)) for name, times in totals.items()
        )

    def export_chrome_trace(self, path: str) -> None:
        """The blocks as a file for chrome://tracing."""
        events = [
            {
                "name": one.name,
                "ph": "X",
                "ts": one.start_us,
                "dur": one.time_us,
                "pid": 0,
                "tid": 0,
            }
            for one in self._events
        ]
        with open(path, "w") as file:
            json.dump({"traceEvents": events}, file)


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **options: Any
) -> Callable[[int], ProfilerAction]:
    """Which steps are watched: `wait` not, `warmup` not either, then `active` ones, and again.

    >>> [schedule(wait=1, warmup=1, active=1)(step).name for step in range(3)]
    ['NONE', 'WARMUP', 'RECORD_AND_SAVE']
    """

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        span = wait + warmup + active
        if 0 < repeat <= step / span:
            return ProfilerAction.NONE
        at = step % span
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < span - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Any:
    """A function for `on_trace_ready` that writes a trace into a folder.

    >>> import alight as torch
    >>> callable(torch.profiler.tensorboard_trace_handler('traces'))
    True
    """
    import os

    def write(watched: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = f"{worker_name or 'alight'}.{time.time_ns()}.pt.trace.json"
        watched.export_chrome_trace(os.path.join(dir_name, name))

    return write


def supported_activities() -> set[ProfilerActivity]:
    """What can be watched.

    >>> import alight as torch
    >>> torch.profiler.ProfilerActivity.CPU in torch.profiler.supported_activities()
    True
    """
    return {ProfilerActivity.CPU}


__dir__ = listing(globals())
