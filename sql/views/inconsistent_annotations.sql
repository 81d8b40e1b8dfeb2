-- Annotations with a typed root that their supervoxel was never part of. One row an annotation.
CREATE OR REPLACE VIEW inconsistent_annotations AS
SELECT found.*
FROM annotations AS found
WHERE list_contains(found.findings, 'inconsistent_annotations');
COMMENT ON VIEW inconsistent_annotations IS 'Annotations whose typed root never held their supervoxel: one row an annotation; root_id follows the supervoxel.';
