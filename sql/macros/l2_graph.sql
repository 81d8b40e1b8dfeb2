-- The L2 graph of a root, of any moment: one row a pair of L2 ids that touch, with its length in nm where both are known.
CREATE OR REPLACE MACRO l2_graph(of_root) AS TABLE
    SELECT
        pair.l2_a, pair.l2_b,
        sqrt((a.x_nm - b.x_nm) ** 2 + (a.y_nm - b.y_nm) ** 2 + (a.z_nm - b.z_nm) ** 2) AS length_nm
    FROM l2_edges AS pair
    LEFT JOIN l2_nodes AS a ON a.l2_id = pair.l2_a
    LEFT JOIN l2_nodes AS b ON b.l2_id = pair.l2_b
    WHERE pair.root_id = whole_id(of_root)
    ORDER BY pair.l2_a, pair.l2_b;
COMMENT ON MACRO TABLE l2_graph IS 'The L2 graph of a root: one row a pair of L2 ids that touch, with its length: FROM l2_graph(576460752303423489). A root of one L2 id has no pair: see l2_chunks.';
