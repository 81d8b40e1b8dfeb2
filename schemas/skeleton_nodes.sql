-- The skeletons of the version's mirrored roots, made by the default method. One row a node, parents before children.
CREATE TABLE skeleton_nodes (
    root_id    BIGINT NOT NULL,
    node_id    BIGINT NOT NULL,
    parent_id  BIGINT NOT NULL,
    l2_id      BIGINT NOT NULL,
    x_nm       DOUBLE NOT NULL,
    y_nm       DOUBLE NOT NULL,
    z_nm       DOUBLE NOT NULL,
    radius_nm  DOUBLE NOT NULL,
    is_soma    BOOLEAN NOT NULL,
    flags      UTINYINT NOT NULL,
    PRIMARY KEY (root_id, node_id)
);
COMMENT ON TABLE skeleton_nodes IS 'L2 skeletons of the roots that were mirrored for this version: one row a node. Method mst: the shortest tree over the L2 graph, healed and rooted; crantdb swc and Python make others.';
COMMENT ON COLUMN skeleton_nodes.root_id IS 'Root id at as_of.';
COMMENT ON COLUMN skeleton_nodes.node_id IS 'Number of the node in its skeleton, from 1, as in the SWC file; 1 is the root of the tree.';
COMMENT ON COLUMN skeleton_nodes.parent_id IS 'node_id of the parent, always smaller; -1 for the root of the tree.';
COMMENT ON COLUMN skeleton_nodes.l2_id IS 'L2 id that the node stands for.';
COMMENT ON COLUMN skeleton_nodes.x_nm IS 'Position, x.';
COMMENT ON COLUMN skeleton_nodes.y_nm IS 'Position, y.';
COMMENT ON COLUMN skeleton_nodes.z_nm IS 'Position, z.';
COMMENT ON COLUMN skeleton_nodes.radius_nm IS 'Radius: the largest distance to the boundary inside the L2 id.';
COMMENT ON COLUMN skeleton_nodes.is_soma IS 'Whether the node is the soma.';
COMMENT ON COLUMN skeleton_nodes.flags IS 'Bits: 1 the position is the mean of the neighbours (the L2 cache had none), 2 the link to the parent crosses a gap, 4 it passes over L2 ids that were dropped, 8 the node stands for the collapsed soma.';
