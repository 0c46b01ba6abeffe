"""The cars that ask for power: a seeded, plausible mix, the same for the same seed. Pure."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from statistics import NormalDist

POWER_SHARES = {3.7: 0.20, 7.4: 0.30, 11.0: 0.35, 22.0: 0.10, 50.0: 0.05}
"""Largest charging power in kW -> share of the cars. An assumption; docs/load-testing.md gives the reasons."""

ENERGY_LOG_MEAN = 1.7775
ENERGY_LOG_SD = 0.9168
ENERGY_MIN_KWH = 0.5
ENERGY_MAX_KWH = 60.0
"""Log-normal energy, truncated: mean 8.6, median 5.9, 95 % quantile 25.5 kWh, fitted to the sessions of
ACN-Data (Lee, Li, Low: "ACN-Data: Analysis and Applications of an Open EV Charging Dataset", e-Energy 2019;
Caltech garage, May to December 2019: 8.6, 5.9, 26.0 kWh)."""

_POWERS_KW = tuple(POWER_SHARES)
_CUMULATIVE_SHARES = tuple(accumulate(POWER_SHARES.values()))
_ENERGY_LOG = NormalDist(ENERGY_LOG_MEAN, ENERGY_LOG_SD)
_QUANTILE_LOW = _ENERGY_LOG.cdf(math.log(ENERGY_MIN_KWH))
_QUANTILE_HIGH = _ENERGY_LOG.cdf(math.log(ENERGY_MAX_KWH))


@dataclass(frozen=True)
class Car:
    """One car's wish: energy in kWh, and the most power that it can take."""

    vehicle_id: str
    energy_kwh: float
    max_power_kw: float


def car_of(seed: int, index: int) -> Car:
    """The `index`-th car of a seed. It depends on these two alone: not on how many cars there are, nor on who sends."""
    rng = Random(f"{seed}:{index}")
    return Car(
        vehicle_id=f"EV-{rng.getrandbits(24):06x}-{index}",
        energy_kwh=energy_kwh_at(rng.random()),
        max_power_kw=max_power_kw_at(rng.random()),
    )


def energy_kwh_at(quantile: float) -> float:
    """The energy that this share (0..1) of all cars stays below, to the Wh."""
    inside = _QUANTILE_LOW + quantile * (_QUANTILE_HIGH - _QUANTILE_LOW)
    energy_kwh = math.exp(_ENERGY_LOG.inv_cdf(inside))
    return round(min(max(energy_kwh, ENERGY_MIN_KWH), ENERGY_MAX_KWH), 3)


def max_power_kw_at(quantile: float) -> float:
    """The largest power of the car at this point (0..1) of the mix, smallest power first."""
    return _POWERS_KW[min(bisect_right(_CUMULATIVE_SHARES, quantile), len(_POWERS_KW) - 1)]
