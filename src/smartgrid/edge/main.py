"""`smartgrid edge`: one edge as a process."""

from __future__ import annotations

from smartgrid.edge.settings import EdgeSettings
from smartgrid.runtime.event_loop import EventLoop
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.process import service_command
from smartgrid.runtime.server import serve
from smartgrid.web import guarding, metrics
from smartgrid.web.app import create_app, finish_app


def run(settings: EdgeSettings) -> None:
    """Serve until told to end."""
    registry, lifecycle = metrics.registry(), Lifecycle()
    guard = guarding.guard(settings, lifecycle, registry)
    with EventLoop("edge"):
        app = finish_app(create_app("edge", lifecycle, registry), "Smart grid: edge", guard)
        serve(app, settings, lifecycle, registry.add_text)


command = service_command("edge", EdgeSettings, run)
