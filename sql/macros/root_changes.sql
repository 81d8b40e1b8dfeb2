-- Which roots only one of two versions knows, each named by its schema ('main', 'v7', 's41'). One row a root; born and
-- retired as far as the warehouse knows: a root without a synapse and not in `neurons` is in neither.
CREATE OR REPLACE MACRO root_changes(of_before, of_after) AS TABLE
    SELECT root_id, 'born' AS change
    FROM standing_in(of_after)
    ANTI JOIN standing_in(of_before) AS was USING (root_id)
    UNION ALL
    SELECT root_id, 'retired'
    FROM standing_in(of_before)
    ANTI JOIN standing_in(of_after) AS became USING (root_id);
COMMENT ON MACRO TABLE root_changes IS 'Which roots only one of two versions knows, by schema: root_changes(''v7'', ''main''). One row a root: born or retired; of roots with a synapse or in neurons.';
