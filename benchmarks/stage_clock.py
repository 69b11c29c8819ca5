"""CPU time of the stages of a program, by functions that are replaced by timed ones while a measurement lasts."""

from __future__ import annotations

import functools
import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StageClock:
    """Exclusive CPU time and number of calls of each stage: a stage that calls another one pauses meanwhile.

    Attributes
    ----------
    seconds : dict of str to float
        CPU time of each stage since the last `reset`, without that of the stages it called.
    calls : Counter of str
        Number of its calls.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    _running: list[str] = field(default_factory=list)
    _since: float = 0.0

    def reset(self) -> None:
        """Forget what was measured."""
        self.seconds.clear()
        self.calls.clear()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose time counts as that of `stage`."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._running.append(stage)
            self.calls[stage] += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._running.pop()

        return call

    def _switch(self) -> None:
        """Add the time since the last change to the stage that has been running."""
        now = time.process_time()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


@contextmanager
def stages_timed(stages: Mapping[str, Sequence[str]]) -> Iterator[StageClock]:
    """Measure the stages while the context lasts.

    Parameters
    ----------
    stages : mapping of str to sequence of str
        The functions of each stage as `module:name` or `module:Class.name`: where they are looked up when called.

    Yields
    ------
    StageClock
        Their times.

    Raises
    ------
    AttributeError
        Where a function does not exist, so that a renamed one is not measured as 0.
    """
    clock = StageClock()
    replaced: list[tuple[Any, str, Any]] = []
    try:
        for stage, functions in stages.items():
            for function in functions:
                module, _, names = function.partition(":")
                owner: Any = importlib.import_module(module)
                *parents, name = names.split(".")
                for parent in parents:
                    owner = getattr(owner, parent)
                found = vars(owner)[name] if name in vars(owner) else getattr(owner, name)
                replaced.append((owner, name, found))
                bound = isinstance(found, classmethod)
                timed = clock.timed(stage, found.__func__ if bound else found)
                setattr(owner, name, classmethod(timed) if bound else timed)
        yield clock
    finally:
        for owner, name, found in reversed(replaced):
            setattr(owner, name, found)
