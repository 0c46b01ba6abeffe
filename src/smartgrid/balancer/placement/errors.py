"""Why a car is not placed. What each answers to a client stands in one place, `PlacingViews.refused`."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.domain.regions import RegionError
from smartgrid.http_client.answer import Answer


class PlacementError(Exception):
    """The car is not placed, or may be and no one knows."""


@dataclass(eq=False)  # not frozen: a context manager on the way sets its traceback
class NotTakenError(PlacementError):
    """No substation has said that it took the car, in so many attempts."""

    attempts: int


class NoPlaceError(NotTakenError):
    """Surely none has taken it."""


class OverQuotaError(NotTakenError):
    """Surely none has taken it, and its owner has as much as one may have."""


class NoTimeError(NotTakenError):
    """The time is over; surely none has taken it."""


class NotKnownError(NotTakenError):
    """One of them has not said that it did not take it."""


@dataclass(eq=False)
class HolderAwayError(PlacementError):
    """The key has a session at this member, which is away."""

    member: str


@dataclass(eq=False)
class NoRegionError(PlacementError):
    """No region may be asked for it."""

    reason: RegionError


@dataclass(eq=False)
class FaultyRequestError(PlacementError):
    """A substation says that the request itself is wrong."""

    answer: Answer


@dataclass(eq=False)
class SupersededAboveError(PlacementError):
    """The key's session is beyond this balancer's members: a balancer in front of it finds it at this path."""

    path: str
