-- Births and ends of root ids, appended by every sync. One row an event.
CREATE TABLE root_history (
    root_id       BIGINT,
    event         VARCHAR NOT NULL CHECK (event IN ('born', 'retired', 'covered')),
    happened_at   TIMESTAMP NOT NULL,
    since         TIMESTAMP,
    operation_id  BIGINT,
    related_ids   BIGINT[]
);
COMMENT ON TABLE root_history IS 'Births and ends of root ids, as the chunkedgraph told them, appended by every sync: one row an event.';
COMMENT ON COLUMN root_history.root_id IS 'Root id; NULL for covered.';
COMMENT ON COLUMN root_history.event IS 'born; retired (replaced by other roots); covered: all edits from since up to happened_at are here.';
COMMENT ON COLUMN root_history.happened_at IS 'When, UTC, as precisely as the chunkedgraph keeps it.';
COMMENT ON COLUMN root_history.since IS 'For covered: from when on, UTC; that moment itself not included.';
COMMENT ON COLUMN root_history.operation_id IS 'The edit, by the chunkedgraph''s number; NULL when it did not say.';
COMMENT ON COLUMN root_history.related_ids IS 'For born: the roots it was made of; for retired: the roots that replaced it.';
