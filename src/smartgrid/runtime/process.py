"""How a service starts as a process, and how it ends when it cannot."""

from __future__ import annotations

from collections.abc import Callable

import click

from smartgrid.runtime import logs
from smartgrid.runtime.server import CannotListenError, check_address
from smartgrid.runtime.settings import SettingsError, SettingsT, load
from smartgrid.runtime.start_error import StartError


def service_command(service: str, settings_type: type[SettingsT], run: Callable[[SettingsT], None]) -> click.Command:
    """The command that runs one service.

    What a person can mend becomes one sentence on standard error and exit code 2.
    """

    @click.command(service, help=f"Run one {service}; settings come from SMARTGRID_* (docs/settings.md).")
    def command() -> None:
        try:
            settings = load(settings_type)
            logs.configure(service, settings.log_level, settings.log_hash_key)
            check_address(settings.host, settings.port)
            run(settings)
        except (SettingsError, CannotListenError, StartError) as error:
            raise click.UsageError(str(error)) from error

    return command
