-- The L2 ids of mirrored roots that the L2 cache does not have yet. One row an L2 id, asked for again at every sync.
CREATE TABLE l2_missing (
    l2_id        BIGINT PRIMARY KEY,
    first_seen   TIMESTAMP NOT NULL,
    last_tried   TIMESTAMP NOT NULL,
    tries        BIGINT NOT NULL CHECK (tries > 0)
);
COMMENT ON TABLE l2_missing IS 'L2 ids that the L2 cache did not have, or of which its computation failed (size 0), when last asked: one row an L2 id. Each sync asks for them again.';
COMMENT ON COLUMN l2_missing.l2_id IS 'L2 id.';
COMMENT ON COLUMN l2_missing.first_seen IS 'When it was first found missing, UTC.';
COMMENT ON COLUMN l2_missing.last_tried IS 'When it was last asked for, UTC.';
COMMENT ON COLUMN l2_missing.tries IS 'How many syncs have asked for it in vain.';
