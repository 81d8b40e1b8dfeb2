-- Which supervoxel has been seen in which root, appended by every sync. One row a pair.
CREATE TABLE root_anchors (
    root_id        BIGINT NOT NULL,
    supervoxel_id  BIGINT NOT NULL,
    rank           BIGINT NOT NULL CHECK (rank BETWEEN 1 AND 3),
    seen_at        TIMESTAMP NOT NULL
);
COMMENT ON TABLE root_anchors IS 'Which supervoxel of an annotation or a point has been seen in which root, appended by every sync: one row a pair and source.';
COMMENT ON COLUMN root_anchors.root_id IS 'Root id of any age.';
COMMENT ON COLUMN root_anchors.supervoxel_id IS 'A supervoxel it held.';
COMMENT ON COLUMN root_anchors.rank IS 'How well it stands for the neuron: 1 the anchor of an annotation, 2 a nucleus, 3 any other point.';
COMMENT ON COLUMN root_anchors.seen_at IS 'A moment at which it held it, UTC.';
