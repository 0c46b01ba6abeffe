PRAGMA application_id = 1397573458;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE capacity_change (event INTEGER PRIMARY KEY, wall_s REAL NOT NULL, capacity_kw REAL NOT NULL);
INSERT INTO "capacity_change" VALUES(8,1800000900.0,33.0);
CREATE TABLE checkpoint (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last_event INTEGER NOT NULL, wall_s REAL NOT NULL,
    time_scale REAL, capacity_kw REAL NOT NULL, configured_kw REAL, sessions BLOB NOT NULL,
    delivered_kwh BLOB NOT NULL);
INSERT INTO "checkpoint" VALUES(1,1,1800000000.0,1.0,90.0,90.0,X'',X'');
CREATE TABLE life (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), alive_wall_s REAL NOT NULL);
INSERT INTO "life" VALUES(1,1800002700.0);
CREATE TABLE session (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, key_digest TEXT NOT NULL,
    number TEXT NOT NULL, fingerprint TEXT NOT NULL, superseded_by TEXT NOT NULL, vehicle_id TEXT NOT NULL,
    energy_kwh REAL NOT NULL, min_power_kw REAL NOT NULL, max_power_kw REAL NOT NULL, departure_wall_s REAL,
    leaves_wall_s REAL NOT NULL, started_wall_s REAL NOT NULL, started_event INTEGER NOT NULL,
    delivered_kwh REAL NOT NULL, ended_wall_s REAL, ended_event INTEGER, end_reason TEXT, owner TEXT);
INSERT INTO "session" VALUES(1,'_JGuY9RaF3Z9c80uvIl2Ew','HZtrxrsyMbmz7V9X4O7PTQ','1790000000000000.0.7','Cgehr6pKJGUvJZ0y','','EV-elastic',22.0,4.0,11.0,NULL,1800172800.0,1800000000.0,2,0.0,NULL,NULL,NULL,NULL);
INSERT INTO "session" VALUES(2,'0JRrNQDGIuRWBezmPNs1XQ','pBOv68t86HOwdOBP_OLc9Q','1790000000000001.0.7','1JAWKUqPf1PyIq51','','EV-leaving',22.0,4.0,11.0,1800007200.5,1800007200.5,1800000000.0,3,0.0,NULL,NULL,NULL,'Zm9vYmFyZm9vYmFyZm9vYg');
INSERT INTO "session" VALUES(3,'HE1YQLrO3IA31wDstJUi7g','Wd1mIkaWBWA2J675uvnX-Q','1790000000000002.0.7','1QtlQD5c8-v54ach','','EV-full',1.0,4.0,11.0,NULL,1800172800.0,1800000000.0,4,1.0,1.80000032727272725107e+09,7,'EnergyDelivered',NULL);
INSERT INTO "session" VALUES(4,'Ezw45InPDQBSdqELU3-2Cg','zarRMCt0Nk9INjegmOqQFw','1790000000000003.0.7','vEA4wgzwKgUnpcKG','','EV-stopped',22.0,4.0,11.0,NULL,1800172800.0,1800000000.0,5,4.8125,1800001800.0,9,'Stopped','Zm9vYmFyZm9vYmFyZm9vYg');
INSERT INTO "session" VALUES(5,'CW_gn--iAnddN1hWgBV28w','LbwrEqS_24bZwhchGUT3Dw','1790000000000004.0.7','6Jm7QH_vSQ71wxIk','../substation-1.x','EV-superseded',22.0,4.0,11.0,NULL,1800172800.0,1800000000.0,6,4.8125,1800001800.0,10,'Superseded',NULL);
INSERT INTO "session" VALUES(6,'S72KqMRf7iqsZdkaTGaevQ','ngrH_efX4_D4mxUn4zgUHw','1790001800000001.0.7','3GpRRX_Zn4n5OYWK','','EV-later',22.0,3.0,7.0,NULL,1800174600.0,1800001800.0,11,0.0,NULL,NULL,NULL,NULL);
CREATE INDEX session_active ON session (seq) WHERE ended_wall_s IS NULL;
CREATE INDEX session_of_owner ON session (owner, seq) WHERE owner IS NOT NULL;
CREATE INDEX session_of_owner_active ON session (owner, seq) WHERE owner IS NOT NULL AND ended_wall_s IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('session',6);
COMMIT;
