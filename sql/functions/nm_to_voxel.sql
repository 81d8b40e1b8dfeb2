-- The voxel that a coordinate in nm lies in: rounded down, as CAVE's own tools do.
CREATE OR REPLACE MACRO nm_to_voxel(of_nm, voxel_size_nm) AS floor(of_nm / voxel_size_nm::DOUBLE)::BIGINT;
COMMENT ON MACRO nm_to_voxel IS 'The voxel that a coordinate in nm lies in: nm_to_voxel(42000, 42).';
