-- The roots of each synapse, sorted by id. One row a synapse.
CREATE TABLE synapse_ids (
    id               BIGINT NOT NULL,
    pre_pt_root_id   BIGINT,
    post_pt_root_id  BIGINT
);
COMMENT ON TABLE synapse_ids IS 'The roots of each synapse by its id: for looking a synapse up.';
COMMENT ON COLUMN synapse_ids.id IS 'CAVE id of the synapse.';
COMMENT ON COLUMN synapse_ids.pre_pt_root_id IS 'Presynaptic root id at as_of.';
COMMENT ON COLUMN synapse_ids.post_pt_root_id IS 'Postsynaptic root id at as_of.';
