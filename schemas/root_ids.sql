-- Which root a supervoxel belongs to at as_of. One row a supervoxel that annotations or points of CAVE tables carry.
CREATE TABLE root_ids (
    supervoxel_id  BIGINT PRIMARY KEY,
    root_id        BIGINT NOT NULL
);
COMMENT ON TABLE root_ids IS 'Which root a supervoxel belongs to at as_of: one row a supervoxel that annotations or points of CAVE tables carry; synapses have their own.';
COMMENT ON COLUMN root_ids.supervoxel_id IS 'Supervoxel id.';
COMMENT ON COLUMN root_ids.root_id IS 'Its root id at as_of; 0: the chunkedgraph knows no such supervoxel.';
