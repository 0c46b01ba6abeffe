"""Whether the load test's chargers will be let in at all, asked before the first car comes."""

from __future__ import annotations

from urllib.parse import quote

from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

TIMEOUT_S = 5.0
NOT_FOUND, UNAUTHORIZED = 404, 401


def why_not(edge: str, substation: str, charger: str) -> str | None:
    """Connect once as this charger; why that fails, in a sentence, or None."""
    url = f"{edge.rstrip('/')}/ocpp/{quote(substation, safe='')}/{quote(charger, safe='')}"
    try:
        connect(url, subprotocols=[Subprotocol("ocpp1.6")], open_timeout=TIMEOUT_S, close_timeout=TIMEOUT_S).close()
    except InvalidStatus as problem:
        if problem.response.status_code not in (NOT_FOUND, UNAUTHORIZED):
            return None  # it may be too early for it: chargers come again
        return (
            f"The edge at {edge} lets in no charger of the load test at {substation}: it has to be one of this "
            "gateway's grid that lets any in (SMARTGRID_REGISTRATION=open), as their names are new each time."
        )
    except (InvalidMessage, InvalidHandshake):
        return f"What answers at --edge {edge} is no edge."
    except (OSError, EOFError) as problem:
        return f"No edge answers at --edge {edge}: {str(problem) or type(problem).__name__}."
    return None
