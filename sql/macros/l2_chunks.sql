-- The L2 ids of a root, of any moment, with what the L2 cache knows of them. One row an L2 id; NULL where it knows nothing.
CREATE OR REPLACE MACRO l2_chunks(of_root) AS TABLE
    SELECT
        member.l2_id, known.x_nm, known.y_nm, known.z_nm, known.size_nm3, known.area_nm2,
        known.max_dt_nm, known.mean_dt_nm, known.pca, known.pca_val, known.intersects
    FROM l2_members AS member
    LEFT JOIN l2_nodes AS known ON known.l2_id = member.l2_id
    WHERE member.root_id = whole_id(of_root)
    ORDER BY member.l2_id;
COMMENT ON MACRO TABLE l2_chunks IS 'The L2 ids of a root with what the L2 cache knows of each: FROM l2_chunks(576460752303423489).';
