-- Synapses by id, whole rows. One row a synapse that exists. The ids lead to the roots, the roots to the rows,
-- so that only the row groups that hold them are read.
CREATE OR REPLACE MACRO synapse(of_ids) AS TABLE
    SELECT found.*
    FROM synapses AS found
    JOIN synapse_ids AS wanted
        ON found.id = wanted.id
        AND found.pre_pt_root_id IS NOT DISTINCT FROM wanted.pre_pt_root_id
        AND found.post_pt_root_id IS NOT DISTINCT FROM wanted.post_pt_root_id
    WHERE list_contains([whole_id(one) FOR one IN of_ids], wanted.id);
COMMENT ON MACRO TABLE synapse IS 'Synapses by id, whole rows: FROM synapse([101607352]).';
