-- What the snapshot holds and what it could not get. One row a table or view of the server.
CREATE TABLE tables (
    relation         VARCHAR,
    name             VARCHAR NOT NULL,
    kind             VARCHAR NOT NULL,
    status           VARCHAR NOT NULL CHECK (status IN ('mirrored', 'skipped')),
    rows             BIGINT,
    bytes            BIGINT,
    files            BIGINT,
    version          BIGINT,
    as_of            TIMESTAMP,
    fetched_at       TIMESTAMP,
    completeness     VARCHAR,
    kept_as          VARCHAR,
    exceptions       MAP(VARCHAR, BIGINT),
    drift            VARCHAR[],
    schema_type      VARCHAR,
    reference_table  VARCHAR,
    voxel_resolution DOUBLE[],
    notice           VARCHAR,
    description      VARCHAR
);
COMMENT ON TABLE tables IS 'What the snapshot holds and what it could not get: one row a table or view of the server.';
COMMENT ON COLUMN tables.relation IS 'Its name in SQL, with its schema; NULL when it was skipped.';
COMMENT ON COLUMN tables.name IS 'Its name on the server.';
COMMENT ON COLUMN tables.kind IS 'table or view, as the server has it.';
COMMENT ON COLUMN tables.status IS 'mirrored, or skipped (then completeness says why).';
COMMENT ON COLUMN tables.rows IS 'Rows.';
COMMENT ON COLUMN tables.bytes IS 'Bytes of its files.';
COMMENT ON COLUMN tables.files IS 'Number of its files.';
COMMENT ON COLUMN tables.version IS 'Materialization version.';
COMMENT ON COLUMN tables.as_of IS 'Moment its root ids are valid at, UTC.';
COMMENT ON COLUMN tables.fetched_at IS 'When its last row was fetched, UTC.';
COMMENT ON COLUMN tables.completeness IS 'How it was proved complete, or why it was skipped.';
COMMENT ON COLUMN tables.kept_as IS 'whole, or layers on version N: only what differs from that version; bytes and files are then those of its own layer.';
COMMENT ON COLUMN tables.exceptions IS 'What the server itself got wrong, counted.';
COMMENT ON COLUMN tables.drift IS 'What differs from the declared schema.';
COMMENT ON COLUMN tables.schema_type IS 'CAVE schema type.';
COMMENT ON COLUMN tables.reference_table IS 'The table its target_id points into.';
COMMENT ON COLUMN tables.voxel_resolution IS 'Size in nm of the voxels its positions are in: x, y, z.';
COMMENT ON COLUMN tables.notice IS 'The notice of its owner.';
COMMENT ON COLUMN tables.description IS 'The description of its owner.';
