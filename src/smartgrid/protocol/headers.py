"""The names of the headers that clients and services send each other (docs/protocol.md)."""

from __future__ import annotations

KEY = "Idempotency-Key"
"""A car's key: the client's, else one that the gateway makes."""

NUMBER = "Smartgrid-Number"
"""The number of a try, given by the gateway and numbered on by each balancer (`protocol.numbers`)."""

STATUS = "Smartgrid-Status"
"""The fresh status of the substation or fleet that answers (`protocol.status_header`)."""

UNREACHABLE = "Smartgrid-Unreachable"
"""The substations whose sessions are missing from a list, or the edges whose chargers are, separated by commas."""

DEADLINE = "Smartgrid-Deadline-Ms"
"""How long the sender still waits for the answer, in milliseconds (`protocol.deadlines`)."""

REPLAYED = "Smartgrid-Replayed"
"""`true` where the key had its session before this try."""

OWNER = "Smartgrid-Owner"
"""Whose the session is that a request starts; or whose sessions alone it may see and stop. Only from a service."""
OWNER_PATTERN = r"[A-Za-z0-9_-]{22}"

WAIT = "Smartgrid-Wait"
"""`no` in a charge that may wait: not here, or not yet. A balancer sends it while another may have room."""
NO_WAIT = "no"

RESIDENCY = "Smartgrid-Residency"
"""Where the cars of the request's tenant may be charged, as the gateway read it in its token (docs/regions.md)."""
RESIDENCY_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"

KEY_DIGEST = "Smartgrid-Key-Digest"
"""Stands for owner and key where a balancer moves a waiting car: the key itself is known to no one but its client."""

TOKEN = "Smartgrid-Token"
"""A token, where something on the way takes `Authorization` away, as the proxy of the Kubernetes API does."""

FROM_EDGE = "Smartgrid-From-Edge"
"""`yes` in a request about chargers that an edge passes on to another: that one answers it itself."""

EDGE = "Smartgrid-Edge"
"""Which edge asks, where one asks another."""

EDGES = "Smartgrid-Edges"
"""In an edge's answer to another: which others it knows, separated by commas."""

INTERNAL = (NUMBER, STATUS, OWNER, DEADLINE, WAIT, KEY_DIGEST, RESIDENCY, FROM_EDGE, EDGE)
"""What requests carry between services, and is believed from no one else."""
