-- Every root at as_of that holds a part of what ids stand for, with its share by each sort of evidence. One row an
-- input, sort of evidence and root, in input order, the largest share first; an input of which nothing is known has
-- one row without a root. `fraction` is NULL where roots are only named (lineage).
CREATE OR REPLACE MACRO ids_at_all(of_ids) AS TABLE
    WITH asked AS MATERIALIZED (SELECT given.* FROM ids_given(of_ids) AS given),
    found AS MATERIALIZED (SELECT rows_of.* FROM id_evidence((SELECT list(asked.whole) FROM asked)) AS rows_of)
    SELECT
        asked.old_id,
        coalesce(found.new_id, typed.root_id) AS new_id,
        CASE
            WHEN typed._id IS NOT NULL THEN 'annotation row'
            ELSE coalesce(asked.problem, found.method)
        END AS method,
        CASE WHEN found.method = 'lineage' AND found.all_votes > 1 THEN NULL ELSE found.votes / found.all_votes END AS fraction,
        found.votes,
        here.version,
        here.as_of
    FROM asked
    JOIN snapshot AS here ON true
    LEFT JOIN found ON found.id = asked.whole AND found.new_id IS NOT NULL
    LEFT JOIN annotations AS typed ON typed._id = asked.given_text AND asked.whole IS NULL
    ORDER BY asked.position, found.step, fraction DESC NULLS LAST, new_id;
COMMENT ON MACRO TABLE ids_at_all IS 'Every root at as_of that holds a part of what ids stood for, with its share: FROM ids_at_all([576460752303423489]).';
