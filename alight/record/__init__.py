"""From calls to programs: the trie of recorded paths, pending segments, flushes, views and writes.

A tensor operation takes one step in the trie and returns a handle; values are computed when a segment is flushed.
Knows handles only by a few attributes (`_slot`, `_meta`, `_buffer`, `_base`, ...), no public operations.
"""


def lap() -> None:
    """A loop comes round here: what it has recorded is run, so that pending work never grows from lap to lap."""
    from alight.record.recorder import thread

    thread.recorder.lap_mark("next batch", always=True)
