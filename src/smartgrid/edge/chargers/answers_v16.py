"""OCPP 1.6: what each call of a charger is answered."""

from __future__ import annotations

from collections.abc import Mapping

from smartgrid.edge.chargers.answers import Answers, Common, Handler, Reply, always
from smartgrid.edge.chargers.charger import Charger
from smartgrid.edge.messages import v16
from smartgrid.edge.messages.lenient import text
from smartgrid.edge.ports import Payload
from smartgrid.edge.transactions.transaction import Transaction, key_of, number_of


class AnswersV16(Answers):
    def __init__(self, common: Common) -> None:
        super().__init__(common, v16)
        self.handlers: Mapping[str, Handler] = {
            "Authorize": self._authorize,
            "BootNotification": self._boot,
            "DataTransfer": always({"status": "UnknownVendorId"}),
            "DiagnosticsStatusNotification": always({}),
            "FirmwareStatusNotification": always({}),
            "Heartbeat": self._heartbeat,
            "LogStatusNotification": always({}),
            "MeterValues": self._values,
            "SecurityEventNotification": always({}),
            "SignCertificate": always({"status": "Rejected"}),
            "SignedFirmwareStatusNotification": always({}),
            "StartTransaction": self._start,
            "StatusNotification": self._status,
            "StopTransaction": self._stop,
        }

    def _authorize(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        reply({"idTagInfo": self._tag_info(text(payload.get("idTag"), v16.MAX_ID_TAG))})

    def _start(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        told = v16.start(payload, charger.clock, self._times.wall())
        if not self._desk.has(charger, told.connector):
            number = number_of(key_of(charger.id, told.identity))  # the same for a repeat
            reply({"transactionId": number, "idTagInfo": {"status": "Invalid"}})
            return

        def kept(transaction: Transaction) -> None:
            reply({"transactionId": int(transaction.transaction_id), "idTagInfo": self._tag_info(told.id_tag)})

        self._desk.start(charger, told, kept)

    def _stop(self, charger: Charger, payload: Payload, reply: Reply) -> None:
        told = v16.stop(payload, charger.clock, self._times.wall())
        self._desk.stop(charger, told, lambda: reply({"idTagInfo": self._tag_info(told.id_tag)} if told.id_tag else {}))

    def _tag_info(self, id_tag: str) -> dict[str, str]:
        tag = self._desk.tag_of(id_tag)
        return {"status": tag.status} | ({"parentIdTag": tag.group} if tag.group else {})
