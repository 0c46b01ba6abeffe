"""Write the table of who may call what into docs/security.md, from the routes; `--check` says if it is up to date."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from smartgrid.balancer.console.sign_in import SignIn
from smartgrid.balancer.console.views import Console
from smartgrid.balancer.views.fleet import FleetViews
from smartgrid.balancer.views.operating import OperatingViews
from smartgrid.balancer.views.placing import PlacingViews
from smartgrid.balancer.views.scaling import ScalingViews
from smartgrid.balancer.views.sessions import SessionViews
from smartgrid.balancer.views.waiting import WaitingViews
from smartgrid.edge.registry.views import RegistryViews
from smartgrid.gateway.app import Api as Gateway
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.substation.app import Api as Substation
from smartgrid.substation.offers_views import OffersViews
from smartgrid.web import metrics
from smartgrid.web.access import needs_of
from smartgrid.web.app import create_app, finish_app
from smartgrid.web.charger_views import ChargerViews
from smartgrid.web.routes import add_routes

PATH = Path(__file__).parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- routes, made by scripts/security_doc.py -->\n", "<!-- end of routes -->\n"
SERVICES: dict[str, list[type]] = {
    "gateway": [Gateway, ChargerViews],
    "balancer": [PlacingViews, SessionViews, WaitingViews, FleetViews, OperatingViews, ScalingViews, Console, SignIn],
    "substation": [Substation, OffersViews],
    "edge": [ChargerViews, RegistryViews],
}


def routes(views: list[type]) -> Iterator[tuple[str, str, str]]:
    """Path, method and what is needed, of each route of a service."""
    app = create_app("routes", Lifecycle(), metrics.registry())
    for each in views:
        made = object.__new__(each)  # its routes are those of the class; nothing of it is called
        made.install(app) if hasattr(each, "install") else add_routes(app, made)
    finish_app(app, "routes")
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if not hasattr(view, "_needs"):
            sys.exit(f"{rule.rule} does not say what it needs")
        needed = " or ".join(f"`{scope}`" for scope in needs_of(view)) or "nothing"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method, needed


def table() -> str:
    """The routes of every service."""
    rows = ["| service | route | needs one of |", "|---|---|---|"]
    for service, views in SERVICES.items():
        rows += [f"| {service} | `{method} {path}` | {needed} |" for path, method, needed in sorted(routes(views))]
    return "\n".join(rows) + "\n"


def main() -> int:
    page = PATH.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + table() + END + after
    if "--check" in sys.argv[1:]:
        return 0 if page == wanted else 1
    PATH.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
