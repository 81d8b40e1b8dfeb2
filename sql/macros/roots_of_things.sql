-- The roots at as_of of ids that edits do not change: supervoxels (of annotations, points and synapses), L2 chunks,
-- nuclei. One row an id, sort and root.
CREATE OR REPLACE MACRO roots_of_things(of_ids) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS id FROM (SELECT unnest(of_ids) AS one) AS given),
    placed AS MATERIALIZED (
        SELECT places.supervoxel_id AS id, places.root_id AS new_id
        FROM places_of((SELECT list(wanted.id) FROM wanted)) AS places
    ),
    others AS MATERIALIZED (
        SELECT wanted.id FROM wanted ANTI JOIN placed ON placed.id = wanted.id WHERE id_layer(wanted.id) = 1
    ),
    chunks AS MATERIALIZED (
        SELECT members.l2_id AS id, members.root_id AS new_id
        FROM l2_members AS members
        SEMI JOIN wanted ON wanted.id = members.l2_id
    )
    SELECT placed.id, placed.new_id, 'supervoxel' AS method FROM placed
    UNION
    SELECT pre.pre_pt_supervoxel_id, pre.pre_pt_root_id, 'supervoxel'
    FROM synapses AS pre
    SEMI JOIN others ON others.id = pre.pre_pt_supervoxel_id
    UNION
    SELECT post.post_pt_supervoxel_id, post.post_pt_root_id, 'supervoxel'
    FROM synapses_by_post AS post
    SEMI JOIN others ON others.id = post.post_pt_supervoxel_id
    UNION
    SELECT chunks.id, chunks.new_id, 'L2 chunk'
    FROM chunks
    SEMI JOIN standing_roots((SELECT list(DISTINCT chunks.new_id) FROM chunks)) AS standing ON standing.root_id = chunks.new_id
    UNION
    SELECT cells.cell_id, cells.root_id, 'nucleus'
    FROM cell_ids AS cells
    SEMI JOIN wanted ON wanted.id = cells.cell_id
    QUALIFY cells.rank = min(cells.rank) OVER (PARTITION BY cells.cell_id)
    UNION
    SELECT typed.nucleus_id, typed.root_id, 'nucleus'
    FROM annotations AS typed
    SEMI JOIN wanted ON wanted.id = typed.nucleus_id;
COMMENT ON MACRO TABLE roots_of_things IS 'The roots at as_of of supervoxels, L2 chunks and nuclei: FROM roots_of_things([74170512125421134]).';
