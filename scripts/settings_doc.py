"""Write docs/settings.md from the settings classes; `--check` only says whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from smartgrid.balancer.settings import BalancerSettings
from smartgrid.edge.settings import EdgeSettings
from smartgrid.gateway.settings import GatewaySettings
from smartgrid.runtime.settings import ENV_PREFIX, ServiceSettings
from smartgrid.substation.settings import SubstationSettings

PATH = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Every service reads environment variables. An invalid value is refused at the start with one sentence and exit code
2. Made by `scripts/settings_doc.py` from the settings classes; a test holds them together.
"""
SERVICES: dict[str, type[ServiceSettings]] = {
    "substation": SubstationSettings,
    "balancer": BalancerSettings,
    "gateway": GatewaySettings,
    "edge": EdgeSettings,
}


def document() -> str:
    """The whole page."""
    sections = [_section("All services", ServiceSettings, set())]
    sections += [
        _section(name.capitalize(), model, set(ServiceSettings.model_fields)) for name, model in SERVICES.items()
    ]
    return "\n".join([HEAD, *sections])


def _section(title: str, model: type[ServiceSettings], known: set[str]) -> str:
    rows = [
        _row(name, field) for name, field in model.model_fields.items() if name not in known or _differs(model, name)
    ]
    return f"## {title}\n\n| variable | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _differs(model: type[ServiceSettings], name: str) -> bool:
    return model.model_fields[name].default != ServiceSettings.model_fields[name].default


def _row(name: str, field: object) -> str:
    default = getattr(field, "default", None)
    shown = "" if default is None or "Undefined" in str(default) or default == "" else f"`{default}`"
    meaning = str(getattr(field, "description", "")).replace("|", "\\|")
    return f"| `{ENV_PREFIX}{name.upper()}` | {shown} | {meaning} |"


def main() -> int:
    if "--check" in sys.argv[1:]:
        return 0 if PATH.read_text() == document() else 1
    PATH.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
