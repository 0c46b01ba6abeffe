"""HTTPS connections that leave no socket behind when the server is killed.

Where a server resets a connection just as TLS begins, Python 3.11 raises from within `ssl.SSLSocket` and leaves the
socket open; when it is collected, some test that happens to run then is blamed for it (of 1,500 such resets with
`requests`, 831). The tests kill the API server, so they meet this.
"""

from __future__ import annotations

import ssl
from typing import Any

from requests.adapters import HTTPAdapter


class _Closing(ssl.SSLSocket):
    """Closes itself when nobody knows it any more."""

    def __del__(self) -> None:
        self.close()


class Adapter(HTTPAdapter):
    """To be mounted at a session of `requests`."""

    def init_poolmanager(self, *args: Any, **options: Any) -> Any:
        context = ssl.create_default_context()
        context.sslsocket_class = _Closing
        return super().init_poolmanager(*args, **options, ssl_context=context)
