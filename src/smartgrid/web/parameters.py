"""Parameters of queries and headers as the OpenAPI documents describe them: what they mean, and what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `schema` is JSON Schema."""

    meaning: str
    schema: Mapping[str, Any]


def whole(meaning: str, low: int, high: int) -> Parameter:
    """A whole number within bounds."""
    return Parameter(meaning, {"type": "integer", "minimum": low, "maximum": high})


def text(meaning: str, pattern: str, most: int) -> Parameter:
    """A text that matches a pattern as a whole."""
    return Parameter(meaning, {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": most})


def choice(meaning: str, choices: type[StrEnum]) -> Parameter:
    """One of a few words."""
    return Parameter(meaning, {"type": "string", "enum": [each.value for each in choices]})
