-- Which L2 id a synapse's supervoxel lies in. One row a supervoxel and L2 id; facts that never change.
CREATE TABLE l2_supervoxels (
    supervoxel_id  BIGINT NOT NULL,
    l2_id          BIGINT NOT NULL,
    PRIMARY KEY (supervoxel_id, l2_id)
);
COMMENT ON TABLE l2_supervoxels IS 'Which L2 id a synapse''s supervoxel lies in: one row a supervoxel and L2 id. After an edit nearby a supervoxel lies in another L2 id, and has a second row; of a root, it lies in the one that is among the root''s l2_members. Empty unless `synapses` is set in the section [l2].';
COMMENT ON COLUMN l2_supervoxels.supervoxel_id IS 'Supervoxel of a synapse.';
COMMENT ON COLUMN l2_supervoxels.l2_id IS 'L2 id that it lies in, or once lay in.';
