-- What became of roots by their lineage: onward from roots retired by as_of, back from roots born after it, to the
-- roots that stood at as_of. One row a root and new root; all of them, or none. `sure`: it holds a part of the root for
-- certain; of what was merged with others and then split, either side may hold it. `merged`: it holds others for certain.
CREATE OR REPLACE MACRO evidence_of_lineage(of_roots) AS TABLE
    WITH RECURSIVE
    wanted AS MATERIALIZED (SELECT DISTINCT given.one AS root_id FROM (SELECT unnest(of_roots) AS one) AS given),
    mine AS MATERIALIZED (
        SELECT events.root_id, events.event, events.happened_at
        FROM root_history AS events
        JOIN snapshot AS here ON true
        SEMI JOIN wanted ON wanted.root_id = events.root_id
        WHERE (events.event = 'retired' AND events.happened_at <= here.as_of) OR (events.event = 'born' AND events.happened_at > here.as_of)
    ),
    -- The edits from the first of these ends up to as_of, and from as_of to the last of these births.
    span AS MATERIALIZED (
        SELECT
            coalesce(min(mine.happened_at) FILTER (WHERE mine.event = 'retired'), any_value(here.as_of)) AS since,
            coalesce(max(mine.happened_at) FILTER (WHERE mine.event = 'born'), any_value(here.as_of)) AS until,
            any_value(here.as_of) AS as_of
        FROM snapshot AS here
        LEFT JOIN mine ON true
    ),
    told AS MATERIALIZED (
        SELECT events.root_id, events.event, events.related_ids, events.happened_at > span.as_of AS is_later
        FROM root_history AS events
        JOIN span ON events.happened_at BETWEEN span.since AND span.until
        WHERE events.event IN ('born', 'retired')
    ),
    -- Onward by what ends tell, back by what births tell: each names all, so that no path is missed.
    onward_links AS (
        SELECT DISTINCT gone.root_id AS before_root_id, unnest(gone.related_ids) AS after_root_id
        FROM told AS gone
        WHERE gone.event = 'retired' AND NOT gone.is_later
    ),
    back_links AS (
        SELECT DISTINCT unnest(made.related_ids) AS before_root_id, made.root_id AS after_root_id
        FROM told AS made
        WHERE made.event = 'born' AND made.is_later
    ),
    parents AS (
        SELECT made.root_id, max(len(made.related_ids)) AS parents
        FROM told AS made
        WHERE made.event = 'born' AND made.related_ids IS NOT NULL
        GROUP BY ALL
    ),
    children AS (
        SELECT gone.root_id, max(len(gone.related_ids)) AS children
        FROM told AS gone
        WHERE gone.event = 'retired' AND gone.related_ids IS NOT NULL
        GROUP BY ALL
    ),
    -- `joined`: others are in what is reached; `part`: nothing else is; `fork`: there were others to go to.
    later AS MATERIALIZED (
        SELECT
            link.before_root_id AS one_root_id,
            link.after_root_id AS next_root_id,
            coalesce(parents.parents > 1, false) OR count(*) OVER (PARTITION BY link.after_root_id) > 1 AS joined,
            coalesce(parents.parents = 1, false) AS part,
            count(*) OVER (PARTITION BY link.before_root_id) > 1 AS fork
        FROM onward_links AS link
        LEFT JOIN parents ON parents.root_id = link.after_root_id
    ),
    earlier AS MATERIALIZED (
        SELECT
            link.after_root_id AS one_root_id,
            link.before_root_id AS next_root_id,
            coalesce(children.children > 1, false) OR count(*) OVER (PARTITION BY link.before_root_id) > 1 AS joined,
            coalesce(children.children = 1, false) AS part,
            count(*) OVER (PARTITION BY link.after_root_id) > 1 AS fork
        FROM back_links AS link
        LEFT JOIN children ON children.root_id = link.before_root_id
    ),
    -- `pure`: nothing but the root's own is in what is reached. What is pure and forks has a part of it on every side.
    onward AS (
        SELECT mine.root_id AS id, mine.root_id AS reached, false AS merged, true AS pure, true AS sure
        FROM mine
        WHERE mine.event = 'retired'
        UNION
        SELECT
            onward.id,
            later.next_root_id,
            later.joined OR (onward.merged AND NOT later.fork),
            onward.pure AND later.part,
            onward.sure AND (NOT later.fork OR (onward.pure AND later.part))
        FROM onward
        JOIN later ON later.one_root_id = onward.reached
    ),
    back AS (
        SELECT mine.root_id AS id, mine.root_id AS reached, false AS merged, true AS pure, true AS sure
        FROM mine
        WHERE mine.event = 'born'
        UNION
        SELECT
            back.id,
            earlier.next_root_id,
            earlier.joined OR (back.merged AND NOT earlier.fork),
            back.pure AND earlier.part,
            back.sure AND (NOT earlier.fork OR (back.pure AND earlier.part))
        FROM back
        JOIN earlier ON earlier.one_root_id = back.reached
    ),
    born_later AS (SELECT made.root_id FROM told AS made WHERE made.event = 'born' AND made.is_later),
    -- A path that is lost before as_of makes the others worth nothing; so does a time of which not all edits are known.
    lost AS (
        SELECT back.id
        FROM back
        SEMI JOIN born_later ON born_later.root_id = back.reached
        ANTI JOIN earlier ON earlier.one_root_id = back.reached
    ),
    covered AS (
        SELECT 1 AS one
        FROM root_history AS events
        JOIN snapshot AS here ON here.as_of BETWEEN events.since AND events.happened_at
        WHERE events.event = 'covered'
        LIMIT 1
    )
    SELECT ends.id, ends.reached AS new_id, bool_or(ends.merged) AS merged, bool_or(ends.sure) AS sure
    FROM (
        SELECT onward.* FROM onward
        ANTI JOIN later ON later.one_root_id = onward.reached
        UNION ALL
        SELECT back.* FROM back
        ANTI JOIN born_later ON born_later.root_id = back.reached
    ) AS ends
    JOIN covered ON true
    ANTI JOIN lost ON lost.id = ends.id
    GROUP BY ends.id, ends.reached;
COMMENT ON MACRO TABLE evidence_of_lineage IS 'The roots at as_of that descend from older roots, or that newer ones descend from: FROM evidence_of_lineage([576460752303423489]).';
