"""The setting `SMARTGRID_QUOTAS`: how much an owner of sessions may have at once. For substations and balancers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from smartgrid.domain.quotas import Quota

EXAMPLE = '{"substation": {"sessions": 2, "power_kw": 44}, "fleet": {"sessions": 3, "power_kw": 66}}'
QUOTAS_DESCRIPTION = f"Most that each owner of sessions may have at once: `{EXAMPLE}`, or parts of it."


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Quota(_Model):
    sessions: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    power_kw: Annotated[float, Field(gt=0, le=100_000)] | None = None

    def quota(self) -> Quota:
        return Quota(self.sessions, self.power_kw)


class Quotas(_Model):
    """Of each owner: on one substation, and in the whole fleet of a balancer."""

    substation: _Quota = _Quota()
    fleet: _Quota = _Quota()


def parse_quotas(text: str) -> Quotas:
    """The quotas that the setting names, none where it is empty. Raises PydanticCustomError saying what is right."""
    try:
        return Quotas.model_validate_json(text) if text else Quotas()
    except ValidationError as error:
        raise PydanticCustomError("quotas", "{why}", {"why": _sentence(error)}) from None


def _sentence(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, found["loc"]))
    return f"{place + ': ' if place else ''}{found['msg']}; it is JSON such as {EXAMPLE}"


def _check(text: str) -> str:
    parse_quotas(text)
    return text


QuotasText = Annotated[str, AfterValidator(_check)]
"""A setting's type: checked at the start, to be read with `parse_quotas`."""
