"""What the HorizontalPodAutoscaler of the substations' StatefulSet is set to, by the Kubernetes API.

It has the StatefulSet's name, whoever made it: the chart itself, or KEDA at the chart's wish. Its first metric is the
demand in kW, as an average over the substations.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from smartgrid.balancer.discovery.api_server import ApiServerError, Timeouts, configured
from smartgrid.balancer.discovery.endpoints import as_list, as_object
from smartgrid.balancer.scaling.emptying import Autoscaler

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

DEFAULT_SETTLE_S = 300.0
"""Kubernetes' own default of the stabilisation window."""
MAX_REPLICAS = 1_000_000
MAX_QUANTITY = 30  # characters


class AutoscalerOf:
    """Reads the autoscaler of one StatefulSet. Raises StartError when there are no credentials. For one thread."""

    def __init__(self, namespace: str, statefulset: str, timeouts: Timeouts | None = None) -> None:
        """`namespace` may be empty: the pod's own, or the kubeconfig's."""
        from kubernetes.client.api.autoscaling_v2_api import AutoscalingV2Api

        client, own_namespace = configured()
        self._read = AutoscalingV2Api(client).read_namespaced_horizontal_pod_autoscaler
        self._namespace, self._statefulset = namespace or own_namespace, statefulset
        self._timeouts = timeouts or Timeouts()

    def read(self) -> Autoscaler | None:
        """As it is now; None where there is none, or none that is known here. Raises ApiServerError."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        timeout_s = (self._timeouts.connect_s, self._timeouts.answer_s)
        try:
            answer = self._read(self._statefulset, self._namespace, _preload_content=False, _request_timeout=timeout_s)
            with cast("BaseHTTPResponse", answer) as response:
                return autoscaler(json.loads(response.read()), self._statefulset)
        except ApiException as error:
            if error.status == 404:
                return None
            raise ApiServerError(f"it answered {error.status} {error.reason}") from error
        except (HTTPError, OSError, ValueError) as error:
            raise ApiServerError(f"it cannot be reached, or its answer be read ({error})") from error


def autoscaler(found: Any, statefulset: str) -> Autoscaler | None:
    """What a HorizontalPodAutoscaler is set to. None for one that scales something else, that never takes a pod away,
    or that is not set as the chart sets it: of that nothing follows."""
    spec = as_object(as_object(found).get("spec"))
    target = as_object(spec.get("scaleTargetRef"))
    down = as_object(as_object(spec.get("behavior")).get("scaleDown"))
    first = as_object(next(iter(as_list(spec.get("metrics"))), None))
    demand_kw = _quantity(as_object(as_object(first.get("external")).get("target")).get("averageValue"))
    if (target.get("kind"), target.get("name")) != ("StatefulSet", statefulset) or demand_kw is None:
        return None
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if type(least) is not int or type(most) is not int or not 0 <= least <= most <= MAX_REPLICAS:
        return None
    settle_s = down.get("stabilizationWindowSeconds", DEFAULT_SETTLE_S)
    if down.get("selectPolicy") == "Disabled" or type(settle_s) not in (int, float):
        return None
    return Autoscaler(demand_kw, least, most, float(settle_s))


def _quantity(text: Any) -> float | None:
    """A quantity of Kubernetes, such as `70` or `70500m`, above zero."""
    from kubernetes.utils.quantity import parse_quantity

    try:
        is_short = isinstance(text, str) and len(text) <= MAX_QUANTITY
        value = float(parse_quantity(text)) if is_short else 0.0  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
