-- From when to when each root stood, as far as the history tells. One row a root with an event.
CREATE OR REPLACE VIEW root_lives AS
SELECT
    events.root_id,
    min(events.happened_at) FILTER (WHERE events.event = 'born') AS born_at,
    min(events.happened_at) FILTER (WHERE events.event = 'retired') AS retired_at,
    any_value(events.operation_id) FILTER (WHERE events.event = 'retired') AS retired_by
FROM root_history AS events
WHERE events.event IN ('born', 'retired')
GROUP BY events.root_id;
COMMENT ON VIEW root_lives IS 'From when to when each root stood, as far as root_history tells, one row a root; retired_at is NULL while nothing is known of its end.';
