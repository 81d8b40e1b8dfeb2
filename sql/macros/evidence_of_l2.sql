-- What became of roots by their L2 chunks: mirrored roots that stand at as_of and have chunks of theirs. One row a
-- root and new root; `fraction` is of all chunks of the old root.
CREATE OR REPLACE MACRO evidence_of_l2(of_roots) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS root_id FROM (SELECT unnest(of_roots) AS one) AS given),
    mine AS MATERIALIZED (
        SELECT members.root_id, members.l2_id
        FROM l2_members AS members
        SEMI JOIN wanted ON wanted.root_id = members.root_id
    ),
    shared AS MATERIALIZED (
        SELECT mine.root_id, theirs.root_id AS new_id, count(*) AS votes
        FROM mine
        JOIN l2_members AS theirs ON theirs.l2_id = mine.l2_id AND theirs.root_id <> mine.root_id
        GROUP BY ALL
    ),
    sizes AS (SELECT mine.root_id, count(*) AS chunks FROM mine GROUP BY ALL)
    SELECT shared.root_id AS id, shared.new_id, shared.votes, shared.votes / sizes.chunks AS fraction
    FROM shared
    JOIN sizes ON sizes.root_id = shared.root_id
    SEMI JOIN standing_roots((SELECT list(DISTINCT shared.new_id) FROM shared)) AS standing ON standing.root_id = shared.new_id;
COMMENT ON MACRO TABLE evidence_of_l2 IS 'The roots at as_of that have L2 chunks of older roots: FROM evidence_of_l2([576460752303423489]).';
