-- Ids of cells that outlast edits (nuclei), with the root of each at as_of. One row a cell and table.
CREATE TABLE cell_ids (
    cell_id        BIGINT NOT NULL,
    supervoxel_id  BIGINT,
    root_id        BIGINT,
    rank           BIGINT NOT NULL,
    source         VARCHAR NOT NULL
);
COMMENT ON TABLE cell_ids IS 'Ids of cells that outlast edits, mostly of nuclei, with the root of each at as_of: one row a cell and table.';
COMMENT ON COLUMN cell_ids.cell_id IS 'Id of the cell in its table.';
COMMENT ON COLUMN cell_ids.supervoxel_id IS 'Supervoxel at its point.';
COMMENT ON COLUMN cell_ids.root_id IS 'Root id at as_of; NULL or 0 when its point lies in none.';
COMMENT ON COLUMN cell_ids.rank IS '1 the datastack''s soma table, 2 the backup table.';
COMMENT ON COLUMN cell_ids.source IS 'The table.';
