"""The command line: `smartgrid COMMAND`."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from smartgrid.cli.options import RefusalError

COMMANDS = {
    "substation": "smartgrid.substation.main",
    "balancer": "smartgrid.balancer.main",
    "gateway": "smartgrid.gateway.main",
    "edge": "smartgrid.edge.main",
    "up": "smartgrid.cli.up",
    "token": "smartgrid.cli.token",
    "charger": "smartgrid.cli.charger",
    "loadtest": "smartgrid.loadtest.main",
    "simulate": "smartgrid.simulation.main",
}


class LazyGroup(click.Group):
    """Imports a command only when it is asked for: a service loads nothing of the others."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:  # by itself it prints three lines
            raise RefusalError(error.format_message()) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(COMMANDS[cmd_name]).command
        return found


@click.group(cls=LazyGroup)
@click.version_option(version("smartgrid"), prog_name="smartgrid")
def main() -> None:
    """Smart Grid Load Balancer: places EV charging sessions on substations and shares their capacity."""
