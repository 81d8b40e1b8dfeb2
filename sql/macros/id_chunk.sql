-- The chunk coordinates of ids, by the layout of this snapshot's chunkedgraph. One row an id, in the order given.
CREATE OR REPLACE MACRO id_chunk(of_ids) AS TABLE
    WITH asked AS (
        SELECT whole_id(unnest(of_ids)) AS id, unnest(range(1, len(of_ids) + 1)) AS position
    )
    SELECT
        asked.id,
        layout.layer,
        (asked.id >> (layout.segment_bits + 2 * layout.spatial_bits)) & ((1::BIGINT << layout.spatial_bits) - 1) AS chunk_x,
        (asked.id >> (layout.segment_bits + layout.spatial_bits)) & ((1::BIGINT << layout.spatial_bits) - 1) AS chunk_y,
        (asked.id >> layout.segment_bits) & ((1::BIGINT << layout.spatial_bits) - 1) AS chunk_z,
        asked.id & ((1::BIGINT << layout.segment_bits) - 1) AS segment
    FROM asked
    LEFT JOIN id_layout AS layout ON layout.layer = asked.id >> (64 - layout.layer_bits)
    ORDER BY asked.position;
COMMENT ON MACRO TABLE id_chunk IS 'Layer, chunk coordinates and segment number of ids: FROM id_chunk([72057800263467009]).';
