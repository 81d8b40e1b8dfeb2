-- What happened to an annotation row, oldest first. One row a change.
CREATE OR REPLACE MACRO annotation_history(of_row) AS TABLE
SELECT seen_at, seen_before, change, column_name, from_value, to_value, modified_by, modified_at, base, table_name, source
FROM annotation_changes
WHERE row_id = of_row
ORDER BY seen_at, modified_at, change DESC, column_name;
COMMENT ON MACRO TABLE annotation_history IS 'What happened to an annotation row (its _id), oldest first: added, removed, cells changed from and to, by whom, between which reads.';
