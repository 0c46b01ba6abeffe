"""What the commands' options have in common: one sentence and exit code 2 for what is invalid."""

from __future__ import annotations

import math
from typing import Any

import click


class RefusalError(click.ClickException):
    """What was asked for cannot be done; the message is one sentence for the user."""

    exit_code = 2


class OneSentenceCommand(click.Command):
    """A bad option is answered by one sentence, without the usage text."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as problem:
            raise RefusalError(problem.format_message()) from None


class FiniteRange(click.FloatRange):
    """A number in a range; `nan` and `inf` are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number
