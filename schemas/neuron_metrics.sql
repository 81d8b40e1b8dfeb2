-- What the L2 data of the version's mirrored roots add up to. One row a root.
CREATE TABLE neuron_metrics (
    root_id          BIGINT PRIMARY KEY,
    l2_count         BIGINT NOT NULL,
    l2_edge_count    BIGINT NOT NULL,
    missing          BIGINT NOT NULL,
    parts            BIGINT NOT NULL,
    nodes            BIGINT NOT NULL,
    cable_mst_nm     DOUBLE NOT NULL,
    cable_bfs_nm     DOUBLE NOT NULL,
    cable_teasar_nm  DOUBLE NOT NULL,
    branch_points    BIGINT NOT NULL,
    tips             BIGINT NOT NULL,
    volume_nm3       DOUBLE,
    area_nm2         DOUBLE,
    root_rule        VARCHAR NOT NULL,
    soma_radius_nm   DOUBLE,
    nucleus_x_nm     DOUBLE,
    nucleus_y_nm     DOUBLE,
    nucleus_z_nm     DOUBLE,
    x_min_nm         DOUBLE NOT NULL,
    y_min_nm         DOUBLE NOT NULL,
    z_min_nm         DOUBLE NOT NULL,
    x_max_nm         DOUBLE NOT NULL,
    y_max_nm         DOUBLE NOT NULL,
    z_max_nm         DOUBLE NOT NULL
);
COMMENT ON TABLE neuron_metrics IS 'Measures of the L2 data of the roots that were mirrored for this version: one row a root. Cable over L2 chunks is not the neuron''s length: on coarse chunks it is too short, on fine ones too long, so each method has its column.';
COMMENT ON COLUMN neuron_metrics.root_id IS 'Root id at as_of.';
COMMENT ON COLUMN neuron_metrics.l2_count IS 'L2 ids of the root.';
COMMENT ON COLUMN neuron_metrics.l2_edge_count IS 'Edges of its L2 graph.';
COMMENT ON COLUMN neuron_metrics.missing IS 'L2 ids that the L2 cache did not have.';
COMMENT ON COLUMN neuron_metrics.parts IS 'Connected parts of the L2 graph; 1 for a whole neuron.';
COMMENT ON COLUMN neuron_metrics.nodes IS 'Nodes of the skeleton in skeleton_nodes.';
COMMENT ON COLUMN neuron_metrics.cable_mst_nm IS 'Cable of the shortest tree over all L2 ids (mst, the default skeleton).';
COMMENT ON COLUMN neuron_metrics.cable_bfs_nm IS 'Cable of the tree that crantpy and fafbseg make (bfs: fewest steps, not shortest).';
COMMENT ON COLUMN neuron_metrics.cable_teasar_nm IS 'Cable of the skeleton that CAVE''s skeleton service makes (teasar, 7,500 nm), side twigs left out.';
COMMENT ON COLUMN neuron_metrics.branch_points IS 'Nodes of the skeleton with two or more children.';
COMMENT ON COLUMN neuron_metrics.tips IS 'Nodes of the skeleton without a child.';
COMMENT ON COLUMN neuron_metrics.volume_nm3 IS 'Sum of the L2 ids'' volumes; NULL when none is known.';
COMMENT ON COLUMN neuron_metrics.area_nm2 IS 'Sum of the L2 ids'' surfaces, as the cache estimates them (too large).';
COMMENT ON COLUMN neuron_metrics.root_rule IS 'How the root of the skeleton was found: point (the nucleus), radius, longest_path or only.';
COMMENT ON COLUMN neuron_metrics.soma_radius_nm IS 'Radius at the root where that is the soma, else NULL.';
COMMENT ON COLUMN neuron_metrics.nucleus_x_nm IS 'Where an annotation or the nucleus table says the nucleus is, x; NULL where neither does.';
COMMENT ON COLUMN neuron_metrics.nucleus_y_nm IS 'Where the nucleus is, y.';
COMMENT ON COLUMN neuron_metrics.nucleus_z_nm IS 'Where the nucleus is, z.';
COMMENT ON COLUMN neuron_metrics.x_min_nm IS 'Lowest x of the skeleton''s nodes.';
COMMENT ON COLUMN neuron_metrics.y_min_nm IS 'Lowest y.';
COMMENT ON COLUMN neuron_metrics.z_min_nm IS 'Lowest z.';
COMMENT ON COLUMN neuron_metrics.x_max_nm IS 'Highest x.';
COMMENT ON COLUMN neuron_metrics.y_max_nm IS 'Highest y.';
COMMENT ON COLUMN neuron_metrics.z_max_nm IS 'Highest z.';
