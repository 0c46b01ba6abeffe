"""What a balancer is told of its regions, in `SMARTGRID_REGIONS`: a JSON list, or the path of a file with one.

    [{"name": "west", "labels": {"country": "DE"}}, {"name": "north", "labels": {"country": "NO"}, "priority": 1}]

Where they are reached stands in `SMARTGRID_SUBSTATIONS`, as for every member, and how in `SMARTGRID_TARGETS`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from smartgrid.domain.regions import Region, Regions
from smartgrid.protocol.models import MemberName
from smartgrid.runtime import json_setting

VARIABLE = "SMARTGRID_REGIONS"
MAX_REGIONS = 1000
MAX_LABELS = 20
LABEL_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_./-]{0,62})$"
Label = Annotated[str, Field(pattern=LABEL_PATTERN)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: MemberName
    labels: Annotated[dict[Label, Label], Field(max_length=MAX_LABELS)] = {}
    priority: int = Field(0, ge=0, le=100)


def _each_once(entries: list[_Entry]) -> list[_Entry]:
    seen = set[str]()
    for each in entries:
        if each.name in seen:
            raise ValueError(f"{each.name} is there twice")
        seen.add(each.name)
    return entries


_LIST = TypeAdapter(Annotated[list[_Entry], Field(max_length=MAX_REGIONS), AfterValidator(_each_once)])


def load(setting: str, residency_label: str, own_name: str) -> Regions:
    """The regions of a setting, none where it is empty. Raises StartError."""
    entries = json_setting.load(VARIABLE, setting, _LIST) if setting else []
    return Regions([Region(e.name, e.labels, e.priority) for e in entries], residency_label, own_name)
