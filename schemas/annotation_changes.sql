-- How annotations changed, as seen between two reads of a SeaTable table. One row a change; rows are only ever added.
CREATE TABLE annotation_changes (
    base         VARCHAR NOT NULL,
    table_id     VARCHAR,
    table_name   VARCHAR NOT NULL,
    row_id       VARCHAR NOT NULL,
    change       VARCHAR NOT NULL CHECK (change IN ('row added', 'row removed', 'cell changed')),
    column_key   VARCHAR,
    column_name  VARCHAR,
    from_value   VARCHAR,
    to_value     VARCHAR,
    modified_by  VARCHAR,
    modified_at  TIMESTAMP,
    seen_before  TIMESTAMP NOT NULL,
    seen_at      TIMESTAMP NOT NULL,
    source       VARCHAR NOT NULL CHECK (source IN ('seatable', 'csv'))
);
COMMENT ON TABLE annotation_changes IS 'How annotations changed, as seen between two reads of a SeaTable table: one row a change. SeaTable itself keeps no such history.';
COMMENT ON COLUMN annotation_changes.base IS 'SeaTable base.';
COMMENT ON COLUMN annotation_changes.table_id IS 'Identity of the table in its base; NULL when a CSV said it of a table that was not mirrored then.';
COMMENT ON COLUMN annotation_changes.table_name IS 'Name of the table when the change was seen.';
COMMENT ON COLUMN annotation_changes.row_id IS 'The row, by its _id.';
COMMENT ON COLUMN annotation_changes.change IS 'row added, row removed or cell changed.';
COMMENT ON COLUMN annotation_changes.column_key IS 'Identity of the column in its table, which survives renaming; NULL for rows, and for columns of a CSV that are not known.';
COMMENT ON COLUMN annotation_changes.column_name IS 'Name of the column when the change was seen.';
COMMENT ON COLUMN annotation_changes.from_value IS 'Before: text as it is, options by name, all else as JSON; of a row removed the whole row as JSON by column key. NULL when empty.';
COMMENT ON COLUMN annotation_changes.to_value IS 'After, in the same way; of a row added the whole row.';
COMMENT ON COLUMN annotation_changes.modified_by IS 'Who changed the row last when the change was seen (formulas and links change without it).';
COMMENT ON COLUMN annotation_changes.modified_at IS 'When that was, UTC.';
COMMENT ON COLUMN annotation_changes.seen_before IS 'The last read without the change, UTC.';
COMMENT ON COLUMN annotation_changes.seen_at IS 'The first read with it, UTC.';
COMMENT ON COLUMN annotation_changes.source IS 'seatable: two reads by crantdb; csv: two imported daily files.';
