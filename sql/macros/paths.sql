-- The ways from some neurons to others over at most max_hops connections (6 at the most), no neuron twice on a way.
-- One row a way. Connections are those of `adjacency` with the same arguments: root 0 is dropped unless kept, an
-- autapse is on no way. What cannot reach a target in the hops that are left is never followed.
CREATE OR REPLACE MACRO paths(of_from, of_to, max_hops := 2, min_synapses := 1, min_size := NULL, keep_root_zero := false) AS TABLE
    WITH RECURSIVE kept AS MATERIALIZED (
        SELECT pair.pre, pair.post, pair.weight
        FROM adjacency(
            min_synapses := min_synapses, min_size := min_size, keep_root_zero := keep_root_zero
        ) AS pair
    ),
    near(root_id, hops) AS (
        SELECT target.root_id, 0
        FROM root_list(of_to) AS target
        WHERE CASE
            WHEN max_hops BETWEEN 1 AND 6 THEN true
            ELSE error('max_hops is from 1 to 6, not ' || max_hops || ': ways grow in number with every hop')
        END
        UNION
        SELECT kept.pre, near.hops + 1
        FROM near
        JOIN kept ON kept.post = near.root_id
        WHERE near.hops + 1 < max_hops
    ),
    nearest AS MATERIALIZED (
        SELECT near.root_id, min(near.hops) AS hops
        FROM near
        GROUP BY near.root_id
    ),
    ways(root_ids, root_id, weights) AS (
        SELECT [origin.root_id], origin.root_id, []::BIGINT[]
        FROM root_list(of_from) AS origin
        UNION ALL
        SELECT list_append(ways.root_ids, kept.post), kept.post, list_append(ways.weights, kept.weight)
        FROM ways
        JOIN kept ON kept.pre = ways.root_id
        JOIN nearest ON nearest.root_id = kept.post
        WHERE len(ways.root_ids) + nearest.hops <= max_hops AND NOT list_contains(ways.root_ids, kept.post)
    )
    SELECT
        ways.root_ids[1] AS origin,
        ways.root_id AS target,
        len(ways.weights) AS hops,
        ways.root_ids,
        ways.weights,
        list_min(ways.weights) AS weakest
    FROM ways
    SEMI JOIN root_list(of_to) AS target ON ways.root_id = target.root_id
    WHERE len(ways.weights) > 0;
COMMENT ON MACRO TABLE paths IS 'The ways from some neurons to others over at most max_hops connections, no neuron twice: one row a way, with the weights on it. Autapses and root 0 are dropped.';
