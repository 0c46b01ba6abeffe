// A charger on npm `ocpp-rpc` in strict mode: the library checks each byte that comes, against the OCA's schemas.
//
//     node charger.js ws://127.0.0.1:9000/ocpp/substation-0 NAME ocpp1.6|ocpp2.0.1
//
// It does what it is told: its power is what the last charging profile lets it draw. Each thing that happens is one line
// of JSON on stdout; lines on stdin are orders: `plug`, `unplug`, `end`. What is against the standard, of either side, is
// `{"event": "strict", ...}` or `{"event": "bad", ...}`.
"use strict";

const readline = require("node:readline");
const { RPCClient, createRPCError } = require("ocpp-rpc");

const [endpoint, identity, protocol] = process.argv.slice(2);
const is16 = protocol === "ocpp1.6";
const MOST_A = 16;
const VOLTS = 230;
const SAMPLE_MS = 1000;

const profiles = new Map(); // by purpose
let transaction = null;
let wattHours = 1000;
let lastMs = Date.now();

const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
const client = new RPCClient({ endpoint, identity, protocols: [protocol], strictMode: true, reconnect: true });

client.on("strictValidationFailure", ({ error, ...more }) => say("strict", { error: String(error), more: JSON.stringify(more) }));
client.on("badMessage", ({ buffer, error }) => say("bad", { error: String(error), text: String(buffer) }));
client.on("disconnect", () => say("disconnected"));

function limitA() {
  for (const purpose of ["TxProfile", "TxDefaultProfile"]) {
    const profile = profiles.get(purpose);
    if (profile && Date.now() < profile.untilMs) return profile.limitA;
  }
  return MOST_A;
}

function powerW() {
  const amperes = Math.min(MOST_A, limitA());
  return transaction && amperes >= 6 ? amperes * VOLTS * 3 : 0;
}

function meter() {
  const nowMs = Date.now();
  wattHours += (powerW() * (nowMs - lastMs)) / 3600000;
  lastMs = nowMs;
  return Math.floor(wattHours);
}

function keepProfile(told, schedule) {
  meter();
  const period = schedule.chargingSchedulePeriod[0];
  const perPhase = schedule.chargingRateUnit === "A" ? period.limit : period.limit / (VOLTS * (period.numberPhases ?? 3));
  const startMs = schedule.startSchedule ? Date.parse(schedule.startSchedule) : Date.now();
  const untilMs = schedule.duration === undefined ? Infinity : startMs + schedule.duration * 1000;
  profiles.set(told.chargingProfilePurpose, { limitA: perPhase, untilMs });
  say("profile", { purpose: told.chargingProfilePurpose, limitA: perPhase, duration: schedule.duration ?? null });
  return { status: "Accepted" };
}

const answers16 = {
  SetChargingProfile: (p) => keepProfile(p.csChargingProfiles, p.csChargingProfiles.chargingSchedule),
  ClearChargingProfile: () => ({ status: "Unknown" }),
  GetConfiguration: (p) => ({ configurationKey: [], unknownKey: p.key ?? [] }),
  ChangeConfiguration: () => ({ status: "Accepted" }),
  TriggerMessage: () => ({ status: "NotImplemented" }),
  GetCompositeSchedule: () => ({ status: "Rejected" }),
  RemoteStartTransaction: () => ({ status: "Rejected" }),
  RemoteStopTransaction: () => ({ status: "Accepted" }),
  UnlockConnector: () => ({ status: "NotSupported" }),
  Reset: () => ({ status: "Rejected" }),
};

const answers2 = {
  SetChargingProfile: (p) => keepProfile(p.chargingProfile, p.chargingProfile.chargingSchedule[0]),
  ClearChargingProfile: () => ({ status: "Unknown" }),
  GetVariables: (p) => ({
    getVariableResult: p.getVariableData.map(({ component, variable }) => ({ component, variable, attributeStatus: "UnknownVariable" })),
  }),
  SetVariables: (p) => ({
    setVariableResult: p.setVariableData.map(({ component, variable }) => ({ component, variable, attributeStatus: "Accepted" })),
  }),
  TriggerMessage: () => ({ status: "NotImplemented" }),
  GetCompositeSchedule: () => ({ status: "Rejected" }),
  GetBaseReport: () => ({ status: "NotSupported" }),
  RequestStartTransaction: () => ({ status: "Rejected" }),
  RequestStopTransaction: () => ({ status: "Accepted" }),
  UnlockConnector: () => ({ status: "Unlocked" }),
  Reset: () => ({ status: "Rejected" }),
};

client.handle(({ method, params }) => {
  say("called", { method });
  const answer = (is16 ? answers16 : answers2)[method];
  if (!answer) throw createRPCError("NotImplemented");
  return answer(params);
});

const now = () => new Date().toISOString();
const value = (measurand, amount, unit) =>
  is16
    ? { value: String(amount), measurand, unit }
    : { value: amount, measurand, unitOfMeasure: { unit } };
const sampled = () => [
  { timestamp: now(), sampledValue: [value("Energy.Active.Import.Register", meter(), "Wh"), value("Power.Active.Import", powerW(), "W")] },
];

function status(state) {
  return is16
    ? client.call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: state })
    : client.call("StatusNotification", {
        timestamp: now(), evseId: 1, connectorId: 1, connectorStatus: state === "Available" ? state : "Occupied",
      });
}

async function plug() {
  await status("Preparing");
  meter();
  if (is16) {
    await client.call("Authorize", { idTag: "STRICT" });
    const started = await client.call("StartTransaction", { connectorId: 1, idTag: "STRICT", meterStart: meter(), timestamp: now() });
    transaction = started.transactionId;
  } else {
    transaction = `tx-${process.pid}-${Date.now()}`;
    await event("Started", "Authorized", { idToken: { idToken: "STRICT", type: "ISO14443" } });
  }
  say("started", { transaction });
  await status("Charging");
}

let sequence = 0;
function event(eventType, triggerReason, more = {}, info = {}) {
  return client.call("TransactionEvent", {
    eventType, triggerReason, timestamp: now(), seqNo: sequence++, evse: { id: 1, connectorId: 1 },
    transactionInfo: { transactionId: transaction, ...info }, meterValue: sampled(), ...more,
  });
}

async function unplug() {
  meter();
  if (is16) {
    const stop = { transactionId: transaction, meterStop: meter(), timestamp: now(), reason: "EVDisconnected" };
    await client.call("StopTransaction", stop);
  } else {
    await event("Ended", "EVCommunicationLost", {}, { stoppedReason: "EVDisconnected" });
  }
  transaction = null;
  await status("Available");
  say("ended", { wattHours: meter() - 1000 });
}

function boot() {
  return client.call(
    "BootNotification",
    is16
      ? { chargePointVendor: "ocpp-rpc", chargePointModel: "strict" }
      : { reason: "PowerUp", chargingStation: { vendorName: "ocpp-rpc", model: "strict" } },
  );
}

async function sample() {
  if (transaction === null) return;
  if (is16) await client.call("MeterValues", { connectorId: 1, transactionId: transaction, meterValue: sampled() });
  else await event("Updated", "MeterValuePeriodic", {}, { chargingState: powerW() > 0 ? "Charging" : "SuspendedEVSE" });
  say("power", { watts: powerW() });
}

const orders = { plug, unplug, end: () => process.exit(0) };

async function main() {
  await client.connect();
  await boot();
  await status("Available");
  say("ready");
  const failed = (error) => say("failed", { error: String(error) });
  const tick = () => sample().catch(failed).finally(() => setTimeout(tick, SAMPLE_MS));
  tick();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await Promise.resolve(orders[line.trim()]?.()).catch(failed);
  }
  process.exit(0);
}

main().catch((error) => {
  say("failed", { error: String(error) });
  process.exit(1);
});
