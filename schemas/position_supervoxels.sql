-- What the segmentation has at positions of annotations, appended by every sync. One row a position that was asked for.
CREATE TABLE position_supervoxels (
    segmentation   VARCHAR NOT NULL,
    x_nm           DOUBLE NOT NULL,
    y_nm           DOUBLE NOT NULL,
    z_nm           DOUBLE NOT NULL,
    supervoxel_id  BIGINT
);
COMMENT ON TABLE position_supervoxels IS 'What the segmentation has at positions of annotations, appended by every sync: one row a position that was looked up. Voxels never change, so that none is asked for twice.';
COMMENT ON COLUMN position_supervoxels.segmentation IS 'Address of the segmentation, as the datastack names it.';
COMMENT ON COLUMN position_supervoxels.x_nm IS 'Position, x in nm.';
COMMENT ON COLUMN position_supervoxels.y_nm IS 'Position, y in nm.';
COMMENT ON COLUMN position_supervoxels.z_nm IS 'Position, z in nm.';
COMMENT ON COLUMN position_supervoxels.supervoxel_id IS 'Supervoxel of the voxel there; 0: the background, no cell is there; NULL: outside of the segmentation.';
