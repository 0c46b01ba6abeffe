"""A long poll of a session, as several shorter ones of the balancer.

`GET /sessions/{id}?wait_s=60` is answered when the session's state is another than the one that the asker knows, at the
latest after its time. What holds it in the end is the substation; on the way it would hold a thread of the gateway that
nothing can call back, and a gateway that ends would have to wait for it or cut it off. So the gateway asks for
`SLICE_S` at a time; as each question names the known state, no change falls between two. A balancer or a substation
with too many polls answers at once; so does the gateway then, or it would ask in circles.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from smartgrid.gateway.session_answer import session_of
from smartgrid.http_client.answer import Answer
from smartgrid.web.charge_views import WaitQuery

SLICE_S = 5


def poll(
    ask: Callable[[int], Answer],
    asked: WaitQuery,
    is_ending: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """What `ask`, told how many seconds to wait, answers in the end. `is_ending`: nothing is waited for any more."""
    end_s = clock() + asked.wait_s
    while True:
        began_s = clock()
        slice_s = min(SLICE_S, max(0, round(end_s - began_s)))
        found = ask(slice_s)
        now_s, session = clock(), session_of(found)
        is_news = session is None or session.get("state") != asked.known
        if is_news or now_s < began_s + slice_s or end_s - now_s < 1 or is_ending():
            return found
