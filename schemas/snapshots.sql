-- The line of snapshots this warehouse keeps. One row a snapshot.
CREATE TABLE snapshots (
    snapshot      BIGINT PRIMARY KEY,
    parent        BIGINT,
    version       BIGINT,
    as_of         TIMESTAMP,
    added_version BIGINT,
    operation     VARCHAR NOT NULL,
    committed_at  TIMESTAMP NOT NULL,
    tool          VARCHAR NOT NULL,
    tables        BIGINT NOT NULL,
    rows          BIGINT NOT NULL,
    bytes         BIGINT NOT NULL,
    is_current    BOOLEAN NOT NULL,
    layered       BIGINT[] NOT NULL
);
COMMENT ON TABLE snapshots IS 'The line of snapshots this warehouse keeps: one row a snapshot.';
COMMENT ON COLUMN snapshots.snapshot IS 'Number of the snapshot.';
COMMENT ON COLUMN snapshots.parent IS 'The snapshot it was made from.';
COMMENT ON COLUMN snapshots.version IS 'Main materialization version.';
COMMENT ON COLUMN snapshots.as_of IS 'Moment of the main version, UTC.';
COMMENT ON COLUMN snapshots.added_version IS 'Older version that this snapshot added beside the main one.';
COMMENT ON COLUMN snapshots.operation IS 'What made it.';
COMMENT ON COLUMN snapshots.committed_at IS 'When it was made, UTC.';
COMMENT ON COLUMN snapshots.tool IS 'Version of crantdb that made it.';
COMMENT ON COLUMN snapshots.tables IS 'Tables of the main version.';
COMMENT ON COLUMN snapshots.rows IS 'Rows in them.';
COMMENT ON COLUMN snapshots.bytes IS 'Bytes of their files.';
COMMENT ON COLUMN snapshots.is_current IS 'Whether it is the one that unadorned queries read.';
COMMENT ON COLUMN snapshots.layered IS 'Older versions whose synapse tables it keeps as what differs from newer ones (expire --full-versions).';
