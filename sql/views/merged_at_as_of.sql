-- Annotations of neurons that share a root at as_of and were parted later: two neurons, one root then. One row an annotation.
CREATE OR REPLACE VIEW merged_at_as_of AS
SELECT found.*
FROM annotations AS found
WHERE list_contains(found.findings, 'merged_at_as_of');
COMMENT ON VIEW merged_at_as_of IS 'Annotations of neurons that share a root at as_of and were parted later: one row an annotation; those of one root share root_id.';
