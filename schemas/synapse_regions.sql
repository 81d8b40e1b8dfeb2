-- Which regions (neuropils) each synapse lies in, by its centre. One row a synapse and region: regions may overlap,
-- so a synapse may have several rows; one that lies in none has the region 'other'.
CREATE TABLE synapse_regions (
    synapse_id     BIGINT NOT NULL,
    region         VARCHAR NOT NULL,
    pre_root_id    BIGINT,
    post_root_id   BIGINT,
    size           FLOAT,
    mesh_revision  VARCHAR NOT NULL
);
COMMENT ON TABLE synapse_regions IS 'Which regions each synapse lies in, by mesh containment of its centre: one row a synapse and region, ''other'' where it lies in none.';
COMMENT ON COLUMN synapse_regions.synapse_id IS 'CAVE id of the synapse.';
COMMENT ON COLUMN synapse_regions.region IS 'Name of the region whose mesh holds the synapse''s centre; other: none does.';
COMMENT ON COLUMN synapse_regions.pre_root_id IS 'Presynaptic root id at as_of; NULL: not looked up, 0: outside the segmentation.';
COMMENT ON COLUMN synapse_regions.post_root_id IS 'Postsynaptic root id at as_of; NULL: not looked up, 0: outside the segmentation.';
COMMENT ON COLUMN synapse_regions.size IS 'Size of the synapse, as the server gives sizes.';
COMMENT ON COLUMN synapse_regions.mesh_revision IS 'The meshes it was tested against: a digest of their names, vertices and faces.';
