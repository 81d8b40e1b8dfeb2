-- Annotations of neurons that are annotated twice. One row an annotation.
CREATE OR REPLACE VIEW duplicate_annotations AS
SELECT found.*
FROM annotations AS found
WHERE list_contains(found.findings, 'duplicate_annotations');
COMMENT ON VIEW duplicate_annotations IS 'Annotations of neurons that are annotated twice: one row an annotation; those of one neuron share root_id.';
