"""64-bit snowflake numbers made in the application (architecture §4.10).

42 bits of milliseconds since 2024, 10 bits of node, 11 bits of counter: sorted by time, unique
over processes, no sequence to share, and tables can be distributed later.
"""

from __future__ import annotations

import os
import secrets
import threading
import time

_EPOCH_MILLISECONDS = 1_704_067_200_000
_NODE_BITS = 10
_COUNTER_BITS = 11
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1


class Snowflake:
    """Thread-safe generator. Two processes of one node number could collide only within one
    millisecond and counter; the node number is drawn per process unless KAOWU_NODE is set."""

    def __init__(self, node: int | None = None) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._counter = 0
        self.node = node if node is not None else _node_number()

    def __call__(self) -> int:
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now <= self._last:
                now = self._last
                self._counter = (self._counter + 1) & _COUNTER_MASK
                if self._counter == 0:
                    now += 1  # run ahead of the clock rather than wait
            else:
                self._counter = secrets.randbelow(64)
            self._last = now
            milliseconds = now - _EPOCH_MILLISECONDS
            return (
                (milliseconds << (_NODE_BITS + _COUNTER_BITS))
                | (self.node << _COUNTER_BITS)
                | self._counter
            )


def _node_number() -> int:
    fixed = os.environ.get("KAOWU_NODE")
    return int(fixed) % (1 << _NODE_BITS) if fixed else secrets.randbelow(1 << _NODE_BITS)


_generator = Snowflake()


def new_id() -> int:
    """A fresh primary key."""
    return _generator()


def _redraw_node() -> None:
    """A forked worker must not share its parent's numbers."""
    global _generator  # noqa: PLW0603 - one generator per process
    _generator = Snowflake()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_redraw_node)
