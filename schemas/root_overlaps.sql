-- What roots of two kept versions share, appended by every sync. One row a pair of roots that differ.
CREATE TABLE root_overlaps (
    one_version  BIGINT NOT NULL,
    one_root_id  BIGINT NOT NULL,
    two_version  BIGINT NOT NULL,
    two_root_id  BIGINT NOT NULL,
    supervoxels  BIGINT NOT NULL,
    synapses     BIGINT NOT NULL
);
COMMENT ON TABLE root_overlaps IS 'What the roots of two kept versions share, for roots that stood at one of the two only, appended by every sync: one row a pair of roots.';
COMMENT ON COLUMN root_overlaps.one_version IS 'The older of the two versions.';
COMMENT ON COLUMN root_overlaps.one_root_id IS 'A root at it.';
COMMENT ON COLUMN root_overlaps.two_version IS 'The newer version.';
COMMENT ON COLUMN root_overlaps.two_root_id IS 'A root at it.';
COMMENT ON COLUMN root_overlaps.supervoxels IS 'Supervoxels of synapses that lay in the one and lie in the other.';
COMMENT ON COLUMN root_overlaps.synapses IS 'Ends of synapses, by their ids, that lay in the one and lie in the other.';
