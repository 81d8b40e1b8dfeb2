-- The skeleton of a root of this version, as mirrored: one row a node, parents before children, positions in nm.
CREATE OR REPLACE MACRO skeleton(of_root) AS TABLE
    SELECT
        tree.node_id, tree.parent_id, tree.l2_id, tree.x_nm, tree.y_nm, tree.z_nm,
        tree.radius_nm, tree.is_soma, tree.flags
    FROM skeleton_nodes AS tree
    WHERE tree.root_id = whole_id(of_root)
    ORDER BY tree.node_id;
COMMENT ON MACRO TABLE skeleton IS 'The L2 skeleton of a root, one row a node, parents before children: FROM skeleton(576460752303423489). Empty when `crantdb sync l2` did not mirror it for this version.';
