"""How a service ends when it cannot start."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import click

from smartgrid.service.server import CannotListenError
from smartgrid.service.settings import SettingsError

P = ParamSpec("P")


class StartError(Exception):
    """A service cannot start; the message is one sentence that says what would be right."""


def as_sentence(run: Callable[P, None]) -> Callable[P, None]:
    """Turn what a person can mend into one sentence on standard error and exit code 2."""

    @functools.wraps(run)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            run(*args, **kwargs)
        except (SettingsError, CannotListenError, StartError) as error:
            raise click.UsageError(str(error)) from error

    return wrapped
