"""Power, time and energy as whole numbers, so that sums are exact in any order and never drift.

The quantum of power is 2**-60 kW, that of time 2**-60 s, that of energy their product. Every float power from 8 W up
and every float time from 4 ms up is a whole number of quanta, so nothing is lost on the way in; what is below that is
rounded down. On the way out the nearest float is given.
"""

from __future__ import annotations

PER_KW = 2**60
PER_S = 2**60
PER_KWH = 3600 * PER_KW * PER_S

MOST = 1e150  # of any quantity: beyond, and for infinity, this much is as good
_FLOAT_PER_KW, _KW, _FLOAT_PER_S, _S = 2.0**60, 2.0**-60, 2.0**60, 2.0**-60


def of_kw(power_kw: float) -> int:
    return int(min(power_kw, MOST) * _FLOAT_PER_KW)


def of_s(time_s: float) -> int:
    return int(min(time_s, MOST) * _FLOAT_PER_S)


def of_kwh(energy_kwh: float) -> int:
    return int(min(energy_kwh, MOST) * 2.0**120) * 3600


def to_kw(quanta: int) -> float:
    return quanta * _KW


def to_s(quanta: int) -> float:
    return quanta * _S


def to_kwh(quanta: int) -> float:
    return quanta / PER_KWH
