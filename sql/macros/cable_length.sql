-- How long the skeletons of roots are, by method. One row a root asked for; NULL where it is not mirrored.
CREATE OR REPLACE MACRO cable_length(of_roots) AS TABLE
    SELECT
        wanted.root_id, whole.cable_mst_nm, whole.cable_bfs_nm, whole.cable_teasar_nm,
        whole.branch_points, whole.tips, whole.missing
    FROM root_list(of_roots) AS wanted
    LEFT JOIN neuron_metrics AS whole ON whole.root_id = wanted.root_id
    ORDER BY wanted.root_id;
COMMENT ON MACRO TABLE cable_length IS 'Cable of the L2 skeletons of roots, in nm, by method: FROM cable_length([576460752303423489]). Cable over L2 chunks is not the neuron''s own length: say the method with the number.';
