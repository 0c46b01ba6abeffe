"""OCPP 2.0.1 and 2.1: what each call of a charger is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smartgrid.edge.chargers.answers import Answers, Common, Handler, Reply, always
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.messages import v2x
from smartgrid.edge.ports import Payload
from smartgrid.edge.tags import ACCEPTED
from smartgrid.edge.transactions.transaction import Transaction

_TAKEN_NOTICE_OF = (
    "BatterySwap",
    "ClearedChargingLimit",
    "ClosePeriodicEventStream",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyDisplayMessages",
    "NotifyMonitoringReport",
    "NotifyPriorityCharging",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReportDERControl",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
)
NO_AUTHORIZATION = "NoAuthorization"


class AnswersV2x(Answers):
    def __init__(self, common: Common) -> None:
        super().__init__(common, v2x)
        self.handlers: Mapping[str, Handler] = {
            **{action: always({}) for action in _TAKEN_NOTICE_OF},
            "Authorize": self._authorize,
            "BootNotification": self._boot,
            "DataTransfer": always({"status": "UnknownVendorId"}),
            "Get15118EVCertificate": always({"status": "Failed", "exiResponse": ""}),
            "GetCertificateStatus": always({"status": "Failed"}),
            "Heartbeat": self._heartbeat,
            "MeterValues": self._values,
            "NotifyEVChargingNeeds": self._needs,
            "NotifyEVChargingSchedule": always({"status": "Accepted"}),
            "NotifyEvent": self._notified,
            "OpenPeriodicEventStream": always({"status": "Rejected"}),
            "SignCertificate": always({"status": "Rejected"}),
            "StatusNotification": self._status,
            "TransactionEvent": self._event,
        }

    def _authorize(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply({"idTokenInfo": self._token_info(payload)})

    def _notified(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply({})
        for told in v2x.notified_statuses(payload, charger.clock, self._times.wall()):
            self._desk.status(charger, told)

    def _needs(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        """What a car wants by ISO 15118. Its charger now waits for a profile of its transaction: it is given the one
        that it has once more, or its first one once there is power. How much that is does not depend on what it wants.
        """
        connector = charger.connectors.get(v2x.evse_of(payload))
        transaction = None if connector is None else charger.transaction_on(connector)
        if connector is None or transaction is None or transaction.is_refused:
            reply({"status": "Rejected"})
        elif connector.limit is None or not (connector.has_power and connector.limit.asked_for(self._times.now())):
            reply({"status": "Processing"})
        else:
            reply({"status": "Accepted"})
            self._desk.steering.look(charger, connector)

    def _event(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        told = v2x.event(payload, charger.clock, self._times.wall())
        if told is None:
            reply({})  # of no transaction: nothing can be made of it, and it would only come again
            return
        if not self._desk.has(charger, self._desk.where(charger, told)):
            reply({} if v2x.token(payload) is None else {"idTokenInfo": {"status": "Invalid"}})
            return

        def kept(transaction: Transaction) -> None:
            answer: dict[str, Any] = {}
            if v2x.token(payload) is not None:
                answer["idTokenInfo"] = self._token_info(payload)
            connector = charger.connectors.get(transaction.connector)
            if connector is not None and transaction.is_open and connector.position is not None:
                content = f"Waiting for power, position {connector.position}"
                answer["updatedPersonalMessage"] = {"format": "UTF8", "content": content}
            reply(answer)

        self._desk.event(charger, told, kept)

    def _token_info(self, payload: Payload) -> dict[str, Any]:
        identifier, kind = v2x.token(payload) or ("", "")
        tag = ACCEPTED if kind == NO_AUTHORIZATION and not identifier else self._desk.tag_of(identifier)
        group = {"groupIdToken": {"idToken": tag.group, "type": "Central"}} if tag.group else {}
        return {"status": tag.status} | group
