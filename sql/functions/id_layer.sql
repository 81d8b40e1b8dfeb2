-- The layer of an id: 1 supervoxel, 2 L2 chunk, the highest: root.
CREATE OR REPLACE MACRO id_layer(of_id, of_layer_bits := 8) AS whole_id(of_id) >> (64 - of_layer_bits);
COMMENT ON MACRO id_layer IS 'The layer of an id (1 supervoxel, 2 L2 chunk, the highest: root): id_layer(576460752303423567).';
