-- How the chunkedgraph packs ids: | layer | x | y | z | segment |. One row a layer; no rows when its info was not reached.
CREATE TABLE id_layout (
    layer        BIGINT PRIMARY KEY,
    layer_bits   BIGINT NOT NULL,
    spatial_bits BIGINT NOT NULL,
    segment_bits BIGINT NOT NULL
);
COMMENT ON TABLE id_layout IS 'How the chunkedgraph packs ids into 64 bits, layer | x | y | z | segment: one row a layer.';
COMMENT ON COLUMN id_layout.layer IS 'Layer: 1 supervoxels, 2 L2 chunks, the highest roots.';
COMMENT ON COLUMN id_layout.layer_bits IS 'Bits of the layer, at the top.';
COMMENT ON COLUMN id_layout.spatial_bits IS 'Bits of each of x, y and z.';
COMMENT ON COLUMN id_layout.segment_bits IS 'Bits of the segment, at the bottom.';
