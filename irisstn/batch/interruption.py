"""How a run is ended early, and an input that takes too long: by signals, and by an alarm in this process."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_LONGEST_ALARM_S = 1e8  # which the system's timer can hold
_GRACE_S = 0.5  # that the current inputs get after a signal


@dataclass
class Stop:
    """A request to end the run early.

    Attributes
    ----------
    wanted : bool
        Whether the run is to end; set by a signal or by the caller.
    signal : int or None
        The signal.
    since : float
        When it came, of `time.monotonic`.
    """

    wanted: bool = False
    signal: int | None = None
    since: float = 0.0

    @property
    def overdue(self) -> bool:
        """Whether a signal came so long ago that the current inputs are given up; the next run processes them."""
        return self.signal is not None and time.monotonic() - self.since > _GRACE_S


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM set `stop`, while the context lasts; a second one ends the process as usual.

    The current inputs get half a second to end. In another thread than the main one it has no effect.
    """

    def request(number: int, _: object) -> None:
        stop.wanted, stop.signal, stop.since = True, number, time.monotonic()
        signal.signal(number, earlier[signal.Signals(number)])
        if sys.platform != "win32" and signal.getsignal(signal.SIGALRM) is _end_input:
            remaining, _every = signal.getitimer(signal.ITIMER_REAL)
            signal.setitimer(signal.ITIMER_REAL, min(remaining, _GRACE_S))

    earlier = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # raised in another thread than the main one, where signals cannot be handled
                earlier[number] = signal.signal(number, request)
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


class TookTooLong(BaseException):
    """An input took longer than the limit. No Exception: what handles the errors of one input must not handle it."""


def _end_input(number: int, frame: object) -> None:
    raise TookTooLong


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raise TookTooLong when `limit_s` seconds have passed: what waits for the network or a disk ends.

    A call into a C library, such as a decoder, ends by itself first. A signal to end the run leaves it half a second.
    In another thread than the main one, on Windows, and where an alarm of the caller comes earlier, there is no limit.
    """

    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    limit_s = min(limit_s, _LONGEST_ALARM_S)
    of_caller, every = signal.getitimer(signal.ITIMER_REAL)
    if 0 < of_caller < limit_s:
        yield
        return
    began, handler = time.monotonic(), signal.signal(signal.SIGALRM, _end_input)
    try:
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if of_caller:
            signal.setitimer(signal.ITIMER_REAL, max(of_caller - (time.monotonic() - began), 1e-3), every)
