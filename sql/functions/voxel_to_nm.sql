-- A coordinate in nm from one in voxels. NULL stays NULL.
CREATE OR REPLACE MACRO voxel_to_nm(of_voxel, voxel_size_nm) AS of_voxel * voxel_size_nm::DOUBLE;
COMMENT ON MACRO voxel_to_nm IS 'A coordinate in nm from one in voxels: voxel_to_nm(1000, 42).';
