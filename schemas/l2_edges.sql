-- Which L2 chunks of a root touch. One row a root and pair; facts that never change, shared by all versions.
CREATE TABLE l2_edges (
    root_id  BIGINT NOT NULL,
    l2_a     BIGINT NOT NULL,
    l2_b     BIGINT NOT NULL,
    PRIMARY KEY (root_id, l2_a, l2_b),
    CHECK (l2_a < l2_b)
);
COMMENT ON TABLE l2_edges IS 'Which L2 ids of a mirrored root touch: one row a root and pair, the smaller id first. A root of one L2 id has none.';
COMMENT ON COLUMN l2_edges.root_id IS 'Root id, of any moment.';
COMMENT ON COLUMN l2_edges.l2_a IS 'The smaller L2 id of the pair.';
COMMENT ON COLUMN l2_edges.l2_b IS 'The larger.';
