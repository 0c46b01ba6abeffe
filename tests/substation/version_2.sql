PRAGMA application_id = 1397573458;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE meta (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), capacity_kw REAL NOT NULL, configured_kw REAL,
                   revision INTEGER NOT NULL, metered_wall_s REAL NOT NULL, alive_wall_s REAL NOT NULL);
INSERT INTO "meta" VALUES(1,33.0,90.0,1800000000012,1800002400.0,1800002700.0);
CREATE TABLE session (seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE,
                      idempotency_key TEXT UNIQUE, vehicle_id TEXT NOT NULL, energy_kwh REAL NOT NULL,
                      min_power_kw REAL NOT NULL, max_power_kw REAL NOT NULL, departure_wall_s REAL,
                      started_wall_s REAL NOT NULL, state TEXT NOT NULL, power_kw REAL NOT NULL,
                      delivered_kwh REAL NOT NULL, ended_wall_s REAL, end_reason TEXT, attempt INTEGER NOT NULL);
INSERT INTO "session" VALUES(1,'jOHDdPfNjhX-oqhkeumQoA','key of elastic','EV-elastic',22.0,4.0,11.0,NULL,1800000000.0,'Charging',11.0,7.16666666658333362249e+00,NULL,NULL,1800001800000000);
INSERT INTO "session" VALUES(3,'a1Vih3UDrquNW_Xr_3dHEg','key of leaving','EV-leaving',22.0,4.0,11.0,1800007200.5,1800000000.0,'Charging',11.0,7.16666666658333362249e+00,NULL,NULL,1800000000000002);
INSERT INTO "session" VALUES(6,'0CXw6nHySx3t8aMr6bnb-Q',NULL,'EV-keyless',22.0,1.0e-09,1.0e-09,NULL,1800000000.0,'Charging',1.0e-09,6.66666666666666742633e-10,NULL,NULL,1795641904664444);
INSERT INTO "session" VALUES(10,'otlx4-tG6RJX-N5rACBXRA','key of full','EV-full',1.0,4.0,11.0,NULL,1800000000.0,'Idle',0.0,1.0,1.80000032727272725107e+09,'EnergyDelivered',1800000000000004);
INSERT INTO "session" VALUES(15,'qKXJ42qfHRb0FjxP0DHOag','key of stopped','EV-stopped',22.0,4.0,11.0,NULL,1800000000.0,'Idle',0.0,5.5,1800001800.0,'Stopped',1800000000000005);
INSERT INTO "session" VALUES(21,'JVmcIpGaZm5La45LwdOkGw',NULL,'EV-voided',22.0,4.0,11.0,NULL,1800000000.0,'Idle',0.0,5.5,1800001800.0,'Stopped',1800000000000006);
CREATE TABLE voided_key (idempotency_key TEXT PRIMARY KEY, before_attempt INTEGER NOT NULL, voided_wall_s REAL NOT NULL)
    WITHOUT ROWID;
INSERT INTO "voided_key" VALUES('key of voided',9223372036854775807,1800001800.0);
INSERT INTO "voided_key" VALUES('never seen',1800000000000007,1800001800.0);
CREATE INDEX session_active ON session (seq) WHERE ended_wall_s IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('session',43);
COMMIT;
