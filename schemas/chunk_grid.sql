-- Where the chunks of the chunkedgraph lie, in nm. One row; none when its info was not reached.
CREATE TABLE chunk_grid (
    origin_x_nm  DOUBLE NOT NULL,
    origin_y_nm  DOUBLE NOT NULL,
    origin_z_nm  DOUBLE NOT NULL,
    chunk_x_nm   DOUBLE NOT NULL,
    chunk_y_nm   DOUBLE NOT NULL,
    chunk_z_nm   DOUBLE NOT NULL
);
COMMENT ON TABLE chunk_grid IS 'Where the chunks of the chunkedgraph lie: one row. The chunk of an id (see id_chunk) begins at origin + chunk * its coordinates.';
COMMENT ON COLUMN chunk_grid.origin_x_nm IS 'Lower corner of chunk (0, 0, 0), x.';
COMMENT ON COLUMN chunk_grid.origin_y_nm IS 'Lower corner of chunk (0, 0, 0), y.';
COMMENT ON COLUMN chunk_grid.origin_z_nm IS 'Lower corner of chunk (0, 0, 0), z.';
COMMENT ON COLUMN chunk_grid.chunk_x_nm IS 'Size of a chunk, x.';
COMMENT ON COLUMN chunk_grid.chunk_y_nm IS 'Size of a chunk, y.';
COMMENT ON COLUMN chunk_grid.chunk_z_nm IS 'Size of a chunk, z.';
