"""A bare Flask handler with the same body and the same server: what the framework alone costs."""

from __future__ import annotations

import sys

from flask import Flask, Response, request
from pydantic_core import to_json

from smartgrid.protocol.models import ChargeBody
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.server import serve
from smartgrid.runtime.settings import ServiceSettings

app = Flask("bare")


@app.post("/charge")
def charge() -> Response:
    body = ChargeBody.model_validate_json(request.get_data())
    return Response(to_json({"vehicle_id": body.vehicle_id}), 201, content_type="application/json")


@app.get("/ready")
def ready() -> str:
    return "ready"


if __name__ == "__main__":
    serve(app, ServiceSettings(port=int(sys.argv[1])), Lifecycle())
