-- Which roots a version knows, named by its schema ('main', 'v7', 's41'): those with a synapse, and those in `neurons`.
CREATE OR REPLACE MACRO standing_in(of_schema) AS TABLE
    SELECT DISTINCT root_id
    FROM (
        SELECT pre_root_id AS root_id FROM query_table(of_schema || '.edges')
        UNION ALL
        SELECT post_root_id FROM query_table(of_schema || '.edges')
        UNION ALL
        SELECT coalesce(loose.pre_pt_root_id, loose.post_pt_root_id)
        FROM query_table(of_schema || '.synapse_ids') AS loose
        WHERE loose.pre_pt_root_id IS NULL OR loose.post_pt_root_id IS NULL
        UNION ALL
        SELECT neuron.root_id FROM query_table(of_schema || '.neurons') AS neuron
    )
    WHERE root_id > 1;
COMMENT ON MACRO TABLE standing_in IS 'Which roots a version knows, by schema (''main'', ''v7''): one row a root with a synapse or in neurons; 0 and 1 are none.';
