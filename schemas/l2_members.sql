-- The L2 chunks of each mirrored root. One row a root and L2 id; facts that never change, shared by all versions.
CREATE TABLE l2_members (
    root_id  BIGINT NOT NULL,
    l2_id    BIGINT NOT NULL,
    PRIMARY KEY (root_id, l2_id)
);
COMMENT ON TABLE l2_members IS 'The L2 ids of each mirrored root: one row a root and L2 id. Facts of no moment: a root id stands for these for ever, at whatever version it is or was the latest.';
COMMENT ON COLUMN l2_members.root_id IS 'Root id, of any moment.';
COMMENT ON COLUMN l2_members.l2_id IS 'L2 id: what the root has, connected, inside one chunk.';
