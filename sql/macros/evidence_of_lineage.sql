-- What became of roots by their lineage: onward from roots retired by as_of, back from roots born after it, to the
-- roots that stood at as_of. One row a root and new root; all of them, or none.
CREATE OR REPLACE MACRO evidence_of_lineage(of_roots) AS TABLE
    WITH RECURSIVE
    wanted AS MATERIALIZED (SELECT DISTINCT given.one AS root_id FROM (SELECT unnest(of_roots) AS one) AS given),
    lives AS MATERIALIZED (
        SELECT
            life.root_id,
            coalesce(life.born_at > here.as_of, false) AS is_later,
            coalesce(life.retired_at <= here.as_of, false) AS is_gone
        FROM root_lives AS life
        JOIN snapshot AS here ON true
    ),
    -- Onward by what ends tell, back by what births tell: each names all, so that no path is missed.
    later AS MATERIALIZED (
        SELECT link.before_root_id, link.after_root_id, parents.parents > 1 AS is_merge
        FROM root_links AS link
        LEFT JOIN (
            SELECT made.after_root_id, count(DISTINCT made.before_root_id) AS parents FROM root_links AS made GROUP BY ALL
        ) AS parents ON parents.after_root_id = link.after_root_id
        WHERE link.told_by = 'retired'
    ),
    earlier AS MATERIALIZED (
        SELECT link.before_root_id, link.after_root_id, children.children > 1 AS is_split
        FROM root_links AS link
        LEFT JOIN (
            SELECT gone.before_root_id, count(DISTINCT gone.after_root_id) AS children FROM root_links AS gone GROUP BY ALL
        ) AS children ON children.before_root_id = link.before_root_id
        WHERE link.told_by = 'born'
    ),
    onward AS (
        SELECT lives.root_id AS id, lives.root_id AS reached, false AS merged
        FROM lives
        SEMI JOIN wanted ON wanted.root_id = lives.root_id
        WHERE lives.is_gone
        UNION
        SELECT onward.id, later.after_root_id, onward.merged OR later.is_merge
        FROM onward
        JOIN lives ON lives.root_id = onward.reached AND lives.is_gone
        JOIN later ON later.before_root_id = onward.reached
    ),
    back AS (
        SELECT lives.root_id AS id, lives.root_id AS reached, false AS merged
        FROM lives
        SEMI JOIN wanted ON wanted.root_id = lives.root_id
        WHERE lives.is_later
        UNION
        SELECT back.id, earlier.before_root_id, back.merged OR earlier.is_split
        FROM back
        JOIN lives ON lives.root_id = back.reached AND lives.is_later
        JOIN earlier ON earlier.after_root_id = back.reached
    ),
    -- A path that is lost before as_of makes the others worth nothing; so does a time of which not all edits are known.
    lost AS (
        SELECT back.id
        FROM back
        JOIN lives ON lives.root_id = back.reached AND lives.is_later
        ANTI JOIN earlier ON earlier.after_root_id = back.reached
    ),
    covered AS (
        SELECT 1 AS one
        FROM root_history AS events
        JOIN snapshot AS here ON here.as_of BETWEEN events.since AND events.happened_at
        WHERE events.event = 'covered'
        LIMIT 1
    )
    SELECT ends.id, ends.reached AS new_id, bool_or(ends.merged) AS merged
    FROM (
        SELECT onward.* FROM onward
        LEFT JOIN lives ON lives.root_id = onward.reached
        WHERE NOT coalesce(lives.is_gone, false)
        UNION ALL
        SELECT back.* FROM back
        LEFT JOIN lives ON lives.root_id = back.reached
        WHERE NOT coalesce(lives.is_later, false)
    ) AS ends
    JOIN covered ON true
    ANTI JOIN lost ON lost.id = ends.id
    GROUP BY ends.id, ends.reached;
COMMENT ON MACRO TABLE evidence_of_lineage IS 'The roots at as_of that descend from older roots, or that newer ones descend from: FROM evidence_of_lineage([576460752303423489]).';
