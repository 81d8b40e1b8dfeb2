-- Which root was made of which. One row a pair: a root that was replaced, and one that replaced it.
CREATE OR REPLACE VIEW root_links AS
SELECT gone.root_id AS before_root_id, unnest(gone.related_ids) AS after_root_id
FROM root_history AS gone
WHERE gone.event = 'retired'
UNION
SELECT unnest(made.related_ids), made.root_id
FROM root_history AS made
WHERE made.event = 'born';
COMMENT ON VIEW root_links IS 'Which root was made of which, one row a pair: before_root_id was replaced by after_root_id (and perhaps by others too).';
