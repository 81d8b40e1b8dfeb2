-- Synapses by id, whole rows, in no order. One row a synapse that exists. The ids lead to the roots and the roots
-- to the rows, so that only the row groups that may hold them are read; a NULL root leads nowhere, so rows with
-- one are looked for by id alone, and only when such a row is wanted.
CREATE OR REPLACE MACRO synapse(of_ids) AS TABLE
    WITH wanted AS MATERIALIZED (
        SELECT ids.id, ids.pre_pt_root_id, ids.post_pt_root_id
        FROM synapse_ids AS ids
        WHERE ids.id IN (SELECT whole_id(unnest(of_ids)))
    )
    SELECT found.*
    FROM synapses AS found
    JOIN wanted AS by_roots
        ON found.pre_pt_root_id = by_roots.pre_pt_root_id
        AND found.post_pt_root_id = by_roots.post_pt_root_id
        AND found.id = by_roots.id
    UNION ALL
    SELECT found.*
    FROM synapses AS found
    JOIN (
        SELECT loose.id FROM wanted AS loose WHERE loose.pre_pt_root_id IS NULL OR loose.post_pt_root_id IS NULL
    ) AS by_id ON found.id = by_id.id;
COMMENT ON MACRO TABLE synapse IS 'Synapses by id, whole rows: FROM synapse([101607352]).';
