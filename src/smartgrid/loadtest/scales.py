"""Axes for charts: where a value lies, and which round values to label. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps a value to 0..1 along an axis; `ticks` are round values on it."""

    position: Callable[[float], float]
    ticks: Sequence[float]


def linear_scale(largest: float, wanted_ticks: int = 5) -> Scale:
    """From 0 to the first round value that is not below the largest."""
    step = _round_step(largest / wanted_ticks) if largest > 1e-9 else 1.0
    steps = max(1, math.ceil(largest / step - 1e-9))
    return Scale(lambda value: value / (steps * step), [step * k for k in range(steps + 1)])


def log_scale(smallest: float, largest: float) -> Scale:
    """Over whole 1-2-5 steps around positive values."""
    ticks = _log_ticks(max(smallest, 1e-3), max(largest, smallest, 1e-3))
    low, span = math.log(ticks[0]), math.log(ticks[-1] / ticks[0])
    return Scale(lambda value: (math.log(max(value, ticks[0])) - low) / span, ticks)


def tick_label(value: float) -> str:
    """Without needless digits: 0.5, 20, 1,000."""
    return f"{value:,.0f}" if value >= 1 and value == round(value) else f"{value:g}"


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _log_ticks(smallest: float, largest: float) -> list[float]:
    first, last = math.floor(math.log10(smallest)), math.ceil(math.log10(largest))
    steps = [factor * 10.0**power for power in range(first, last + 2) for factor in (1, 2, 5)]
    low = max(index for index, step in enumerate(steps) if step <= smallest * (1 + 1e-9))
    high = next(index for index, step in enumerate(steps) if step >= largest * (1 - 1e-9) and index > low)
    return steps[low : high + 1]
