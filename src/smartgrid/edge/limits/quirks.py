"""What is peculiar to chargers of one model: a table, which a user may extend (docs/quirks.md).

Most of what a charger wants is found out while it is used (`ways.py`, `obedience.py`); the table saves it the trials,
and says what cannot be found out. An entry is for those of a vendor and model by pattern, or for those registered with
its name, and says where its knowledge is from. The user's entries come before those that are built in, and of several
that fit the first one counts. A model that is not in it gets the defaults, which suit most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from smartgrid.edge.limits.amps import MINIMUM_A
from smartgrid.edge.limits.measurands import MEASURANDS
from smartgrid.edge.ports import ProfileKind, RateUnit
from smartgrid.runtime import json_setting
from smartgrid.runtime.start_error import StartError

VARIABLE = "SMARTGRID_QUIRKS_FILE"
MAX_ENTRIES = 1_000


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one model wants to be told its limits; `QuirksEntry` says what each means."""

    name: str = "default"
    unit: RateUnit | None = None
    kinds: tuple[ProfileKind, ...] = (ProfileKind.TX, ProfileKind.TX_DEFAULT)
    stack_level: int = 0
    minimum_a: float = MINIMUM_A
    can_pause: bool = True
    is_relative: bool = False
    pause_s: float = 30.0
    keeps_profiles: bool = True
    sets_charge_point_max: bool = False
    meter_interval_s: int | None = None
    measurands: tuple[str, ...] = MEASURANDS


DEFAULT = Quirks()


class QuirksEntry(BaseModel):
    """One entry of the table. What is left out is as with most chargers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="To register a charger with.")]
    vendor: str = Field("", max_length=50, description="As in its BootNotification; `*` and `?` as in file names.")
    model: str = Field("", max_length=50, description="Likewise. Neither vendor nor model: only by name.")
    source: str = Field(min_length=3, max_length=500, description="Where this is known from.")
    unit: RateUnit | None = Field(None, description="A or W, where it says another than it takes. Default: asked.")
    kinds: tuple[ProfileKind, ...] = Field(
        DEFAULT.kinds, min_length=1, max_length=3, description="Profiles that may carry limits, in the order to try."
    )
    stack_level: int = Field(0, ge=0, le=100, description="Of all profiles.")
    minimum_a: float = Field(
        MINIMUM_A, ge=MINIMUM_A, le=32, description="Least current that it takes; less is written as 0."
    )
    can_pause: bool = Field(True, description="Takes a limit of 0; if not, its least is `minimum_a`.")
    clock: Literal["absolute", "relative"] = Field("absolute", description="Whether its clock is used in profiles.")
    pause_s: float = Field(30.0, ge=0, le=3600, description="Least time at 0 before it is given power again.")
    keeps_profiles: bool = Field(True, description="Has its TxDefaultProfile after a reboot still.")
    sets_charge_point_max: bool = Field(False, description="Wants a ChargePointMaxProfile of its rating at set-up.")
    meter_interval_s: int | None = Field(None, ge=1, le=900, description="Between meter values. Default: by number.")
    measurands: tuple[str, ...] = Field(MEASURANDS, min_length=1, max_length=20, description="To ask for.")

    @model_validator(mode="after")
    def _is_whole(self) -> QuirksEntry:
        if len(set(self.kinds)) != len(self.kinds):
            raise ValueError("kinds must name each profile once")
        if self.clock == "relative" and ProfileKind.TX not in self.kinds:
            raise ValueError("a clock that is not used needs TxProfile in kinds: other profiles have no end without it")
        return self

    @property
    def quirks(self) -> Quirks:
        names = {field.name for field in fields(Quirks)} - {"is_relative"}
        return Quirks(**{name: getattr(self, name) for name in names}, is_relative=self.clock == "relative")

    def fits(self, vendor: str, model: str) -> bool:
        return bool(self.vendor or self.model) and _fits(vendor, self.vendor) and _fits(model, self.model)


_ENTRIES: TypeAdapter[list[QuirksEntry]] = TypeAdapter(Annotated[list[QuirksEntry], Field(max_length=MAX_ENTRIES)])


class Table:
    """Of quirks; the first entry that fits counts."""

    def __init__(self, entries: Sequence[QuirksEntry]) -> None:
        self._entries = [(entry, entry.quirks) for entry in entries]
        self._by_name: dict[str, Quirks] = {}
        for entry, quirks in self._entries:
            self._by_name.setdefault(entry.name, quirks)

    @classmethod
    def load(cls, path: Path | None = None) -> Table:
        """The built-in entries, after those of a file. Raises StartError: one sentence that says what is wrong."""
        built_in = _ENTRIES.validate_json(files("smartgrid.edge.limits").joinpath("quirks.json").read_bytes())
        own = [] if path is None else json_setting.load(VARIABLE, str(path), _ENTRIES)
        names = [entry.name for entry in own]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise StartError(f"{VARIABLE}: two entries are named {twice!r}; each name must be there once")
        return cls([*own, *built_in])

    def of(self, vendor: str, model: str, name: str = "") -> Quirks:
        """By name where one is given and known, else by vendor and model, as the charger says them."""
        named = self._by_name.get(name) if name else None
        if named is not None:
            return named
        return next((quirks for entry, quirks in self._entries if entry.fits(vendor, model)), DEFAULT)

    def knows(self, name: str) -> bool:
        return name in self._by_name


def _fits(text: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(text.casefold(), pattern.casefold())
