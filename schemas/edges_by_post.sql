-- The rows of edges, sorted by postsynaptic root.
CREATE TABLE edges_by_post (
    pre_root_id   BIGINT NOT NULL,
    post_root_id  BIGINT NOT NULL,
    syn_count     BIGINT NOT NULL,
    size_sum      DOUBLE
);
COMMENT ON TABLE edges_by_post IS 'The rows of edges, sorted by postsynaptic root: for questions about inputs.';
COMMENT ON COLUMN edges_by_post.pre_root_id IS 'Presynaptic root id at as_of; 0: outside the segmentation.';
COMMENT ON COLUMN edges_by_post.post_root_id IS 'Postsynaptic root id at as_of; 0: outside the segmentation.';
COMMENT ON COLUMN edges_by_post.syn_count IS 'Synapses from the one to the other.';
COMMENT ON COLUMN edges_by_post.size_sum IS 'Sum of their sizes, as the server gives sizes; NULL when it gives none.';
