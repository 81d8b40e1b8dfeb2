-- Which of these ids are roots at as_of: the snapshot's tables have them, or the history of all edits says so.
-- One row an id that is.
CREATE OR REPLACE MACRO standing_roots(of_roots) AS TABLE
    WITH wanted AS MATERIALIZED (SELECT DISTINCT given.one AS root_id FROM (SELECT unnest(of_roots) AS one) AS given),
    seen AS (
        SELECT anchors.root_id, anchors.seen_at AS moment
        FROM root_anchors AS anchors
        SEMI JOIN wanted ON wanted.root_id = anchors.root_id
        UNION
        SELECT lives.root_id, lives.born_at
        FROM root_lives AS lives
        SEMI JOIN wanted ON wanted.root_id = lives.root_id
        WHERE lives.born_at IS NOT NULL
    ),
    covered AS (
        SELECT events.since, events.happened_at AS until, here.as_of
        FROM root_history AS events
        JOIN snapshot AS here ON here.as_of BETWEEN events.since AND events.happened_at
        WHERE events.event = 'covered'
    )
    SELECT wanted.root_id FROM wanted SEMI JOIN edges AS found ON found.pre_root_id = wanted.root_id
    UNION
    SELECT wanted.root_id FROM wanted SEMI JOIN edges_by_post AS found ON found.post_root_id = wanted.root_id
    UNION
    SELECT wanted.root_id FROM wanted SEMI JOIN root_ids AS found ON found.root_id = wanted.root_id
    UNION
    SELECT anchors.root_id
    FROM root_anchors AS anchors
    SEMI JOIN wanted ON wanted.root_id = anchors.root_id
    JOIN snapshot AS here ON here.as_of = anchors.seen_at
    UNION
    SELECT lives.root_id
    FROM root_lives AS lives
    SEMI JOIN wanted ON wanted.root_id = lives.root_id
    JOIN snapshot AS here ON lives.born_at <= here.as_of AND lives.retired_at > here.as_of
    UNION
    SELECT seen.root_id
    FROM seen
    JOIN covered ON seen.moment BETWEEN covered.since AND covered.until
    LEFT JOIN root_lives AS lives ON lives.root_id = seen.root_id
    WHERE (lives.retired_at IS NULL OR lives.retired_at > covered.as_of)
        AND (lives.born_at IS NULL OR lives.born_at <= covered.as_of);
COMMENT ON MACRO TABLE standing_roots IS 'Which of these ids are roots at as_of, one row each: FROM standing_roots([576460752303423489]).';
