-- What the L2 cache knows of each L2 id. One row an L2 id; facts that never change, shared by all roots and versions.
CREATE TABLE l2_nodes (
    l2_id       BIGINT PRIMARY KEY,
    x_nm        DOUBLE NOT NULL,
    y_nm        DOUBLE NOT NULL,
    z_nm        DOUBLE NOT NULL,
    size_nm3    BIGINT NOT NULL CHECK (size_nm3 > 0),
    area_nm2    BIGINT,
    max_dt_nm   DOUBLE,
    mean_dt_nm  DOUBLE,
    pca         FLOAT[],
    pca_val     FLOAT[],
    intersects  INTEGER[]
);
COMMENT ON TABLE l2_nodes IS 'What the L2 cache knows of each L2 id: one row an L2 id. An id of l2_members without a row here is in l2_missing.';
COMMENT ON COLUMN l2_nodes.l2_id IS 'L2 id.';
COMMENT ON COLUMN l2_nodes.x_nm IS 'The representative point, x: a voxel inside the piece and its chunk.';
COMMENT ON COLUMN l2_nodes.y_nm IS 'The representative point, y.';
COMMENT ON COLUMN l2_nodes.z_nm IS 'The representative point, z.';
COMMENT ON COLUMN l2_nodes.size_nm3 IS 'Volume.';
COMMENT ON COLUMN l2_nodes.area_nm2 IS 'Surface as the cache estimates it: too large, and without the faces on the chunk''s border.';
COMMENT ON COLUMN l2_nodes.max_dt_nm IS 'The largest distance to the boundary: an inner radius, not a diameter.';
COMMENT ON COLUMN l2_nodes.mean_dt_nm IS 'The mean distance to the boundary; NULL where the cache has NaN.';
COMMENT ON COLUMN l2_nodes.pca IS 'Principal axes, three rows of three, the longest first; NULL below 0.01 µm³. Of big chunks computed from a random sample: never the same twice.';
COMMENT ON COLUMN l2_nodes.pca_val IS 'Their singular values.';
COMMENT ON COLUMN l2_nodes.intersects IS 'Voxels on the chunk''s low x, y, z and high x, y, z faces.';
