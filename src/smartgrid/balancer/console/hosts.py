"""Under which names a balancer is asked that asks nothing of anyone, since only this machine reaches it.

The browser on this machine reaches it too, with any page that is open in it. Of another site's pages the browser keeps
apart what a site's name keeps apart; so the site's owner has the name lead to 127.0.0.1 (DNS rebinding), and the page
may then read and change all. Such a request has the site's name in `Host`, which a page cannot change.

Where tokens are asked for it does not matter: the browser has no cookie for that name.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, request

from smartgrid.web.access import Guard, needs_of
from smartgrid.web.guarding import is_loopback
from smartgrid.web.problems import ProblemError


def install(app: Flask, guard: Guard, host: str, console_url: str) -> None:
    """Refuse requests for other names than those of this machine and of `console_url`; after all routes are there."""
    if guard.asks or not is_loopback(host):
        return
    ours = urlsplit(console_url).hostname
    open_to_all = frozenset(name for name, view in app.view_functions.items() if not needs_of(view))

    def check() -> None:
        if request.endpoint in open_to_all:
            return
        named = hostname(request.environ.get("HTTP_HOST", ""))
        if named and not is_loopback(named) and named != ours:
            detail = f"This is not {named[:255]}. Ask for 127.0.0.1 or localhost, or set SMARTGRID_CONSOLE_URL."
            raise ProblemError(421, "misdirected-request", detail)

    app.before_request_funcs.setdefault(None, []).insert(0, check)


def hostname(header: str) -> str:
    """The name in a `Host` header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
