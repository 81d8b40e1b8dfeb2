-- What this connection is pinned to. One row.
CREATE TABLE snapshot (
    snapshot      BIGINT NOT NULL,
    version       BIGINT,
    as_of         TIMESTAMP,
    datastack     VARCHAR NOT NULL,
    server        VARCHAR NOT NULL,
    committed_at  TIMESTAMP NOT NULL,
    operation     VARCHAR NOT NULL,
    tool          VARCHAR NOT NULL,
    warehouse     VARCHAR NOT NULL
);
COMMENT ON TABLE snapshot IS 'What this connection is pinned to: one row.';
COMMENT ON COLUMN snapshot.snapshot IS 'Number of the snapshot; it never changes under you.';
COMMENT ON COLUMN snapshot.version IS 'CAVE materialization version of every table here.';
COMMENT ON COLUMN snapshot.as_of IS 'The one moment all root ids are valid at, UTC.';
COMMENT ON COLUMN snapshot.datastack IS 'CAVE datastack.';
COMMENT ON COLUMN snapshot.server IS 'Global CAVE server.';
COMMENT ON COLUMN snapshot.committed_at IS 'When the snapshot was made, UTC, by the clock of the machine that made it.';
COMMENT ON COLUMN snapshot.operation IS 'What made it.';
COMMENT ON COLUMN snapshot.tool IS 'Version of crantdb that made it.';
COMMENT ON COLUMN snapshot.warehouse IS 'Folder of the warehouse.';
