BEGIN TRANSACTION;
CREATE TABLE capacity_change (event INTEGER PRIMARY KEY, wall_s REAL NOT NULL, capacity_kw REAL NOT NULL);
INSERT INTO "capacity_change" VALUES(5,1800002700.0,88.0);
CREATE TABLE checkpoint (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last_event INTEGER NOT NULL, wall_s REAL NOT NULL,
    time_scale REAL, capacity_kw REAL NOT NULL, configured_kw REAL, sessions BLOB NOT NULL,
    delivered_kwh BLOB NOT NULL);
INSERT INTO "checkpoint" VALUES(1,1,1800000000.0,1.0,90.0,90.0,X'',X'');
CREATE TABLE life (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), alive_wall_s REAL NOT NULL);
INSERT INTO "life" VALUES(1,1800000000.0);
CREATE TABLE session (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, key_digest TEXT NOT NULL,
    number TEXT NOT NULL, fingerprint TEXT NOT NULL, superseded_by TEXT NOT NULL, vehicle_id TEXT NOT NULL,
    energy_kwh REAL NOT NULL, min_power_kw REAL NOT NULL, max_power_kw REAL NOT NULL, departure_wall_s REAL,
    leaves_wall_s REAL NOT NULL, started_wall_s REAL, started_event INTEGER,
    delivered_kwh REAL NOT NULL, ended_wall_s REAL, ended_event INTEGER, end_reason TEXT, owner TEXT,
    joined_wall_s REAL, wait_until_wall_s REAL, CHECK (started_wall_s IS NOT NULL OR joined_wall_s IS NOT NULL));
INSERT INTO "session" VALUES(1,'F4l8ZN-ke6vTYN27s6IiPA','HZtrxrsyMbmz7V9X4O7PTQ','1795680796481322','ChargeRequest(vehicle_id=''EV-elastic'', energy_kwh=22.0, power=PowerRange(min_kw=4.0, max_kw=11.0), departure_s=None)','','EV-elastic',22.0,4.0,11.0,NULL,1800172800.0,1800000000.0,2,0.0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "session" VALUES(2,'vEbsm12fTMbPiwMBKQHqxA','xpCXLkvWBFgCSvISuNjCjA','1795680796499837','ChargeRequest(vehicle_id=''EV-large'', energy_kwh=300.0, power=PowerRange(min_kw=75.0, max_kw=75.0), departure_s=None)','','EV-large',300.0,75.0,75.0,NULL,1800172800.0,1800000000.0,3,0.0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "session" VALUES(3,'BEW_dTlbaEvWRqrglSwgQQ','ujd7PdDANV0sKnSyKp5L-Q','1795680796513158','ChargeRequest(vehicle_id=''EV-waiting'', energy_kwh=30.0, power=PowerRange(min_kw=20.0, max_kw=22.0), departure_s=None)','','EV-waiting',30.0,20.0,22.0,NULL,1800172800.0,NULL,NULL,0.0,NULL,NULL,NULL,'Zm9vYmFyZm9vYmFyZm9vYg',1800000000.0,NULL);
INSERT INTO "session" VALUES(4,'sjF_qBTnx0NKT-UDGtU1uQ','TTSCgsdoCEy7z1uLerE-tg','1795680796549441.1','ChargeRequest(vehicle_id=''EV-stopped'', energy_kwh=30.0, power=PowerRange(min_kw=20.0, max_kw=22.0), departure_s=None)','','EV-stopped',30.0,20.0,22.0,NULL,1800174600.0,NULL,NULL,0.0,1800001800.0,4,'Stopped',NULL,1800001800.0,NULL);
CREATE INDEX session_active ON session (seq) WHERE ended_wall_s IS NULL;
CREATE INDEX session_of_owner ON session (owner, seq) WHERE owner IS NOT NULL;
CREATE INDEX session_of_owner_active ON session (owner, seq) WHERE owner IS NOT NULL AND ended_wall_s IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('session',4);
COMMIT;
PRAGMA user_version = 5;
PRAGMA application_id = 1397573458;
