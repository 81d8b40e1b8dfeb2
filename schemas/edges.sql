-- Who is connected to whom. One row a pair of roots with at least one synapse, autapses and root 0 among them.
CREATE TABLE edges (
    pre_root_id   BIGINT NOT NULL,
    post_root_id  BIGINT NOT NULL,
    syn_count     BIGINT NOT NULL,
    size_sum      DOUBLE
);
COMMENT ON TABLE edges IS 'Who is connected to whom, and by how many synapses: one row a pair of roots, sorted by presynaptic root.';
COMMENT ON COLUMN edges.pre_root_id IS 'Presynaptic root id at as_of; 0: outside the segmentation.';
COMMENT ON COLUMN edges.post_root_id IS 'Postsynaptic root id at as_of; 0: outside the segmentation.';
COMMENT ON COLUMN edges.syn_count IS 'Synapses from the one to the other.';
COMMENT ON COLUMN edges.size_sum IS 'Sum of their sizes, as the server gives sizes; NULL when it gives none.';
