"""Powers that are summed while members come and go are counted in whole microwatts, which integers add exactly: what is
added and taken away again leaves nothing behind, as floats would, and no sum is off by more than any meter sees."""

from __future__ import annotations

PER_KW = 10**9


def from_kw(power_kw: float) -> int:
    return round(power_kw * PER_KW)


def to_kw(power_uw: int) -> float:
    return power_uw / PER_KW
