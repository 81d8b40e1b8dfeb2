-- Which root was made of which. One row a pair and event that tells of it: a root that was replaced, and one that
-- replaced it. Of an end all successors are told, of a birth all predecessors; the other way there may be more.
CREATE OR REPLACE VIEW root_links AS
SELECT gone.root_id AS before_root_id, unnest(gone.related_ids) AS after_root_id, 'retired' AS told_by
FROM root_history AS gone
WHERE gone.event = 'retired'
UNION
SELECT unnest(made.related_ids), made.root_id, 'born'
FROM root_history AS made
WHERE made.event = 'born';
COMMENT ON VIEW root_links IS 'Which root was made of which, one row a pair and the event (born, retired) that tells: before_root_id was replaced by after_root_id, perhaps by others too.';
