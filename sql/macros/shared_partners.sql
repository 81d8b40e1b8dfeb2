-- The partners that several neurons have in common. One row a direction and partner that at least min_shared of the
-- neurons asked for have, most shared first. Connections are those of `partners` with the same arguments.
CREATE OR REPLACE MACRO shared_partners(
    of_roots,
    min_shared := 2,
    min_synapses := 1,
    min_size := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    SELECT
        pair.direction,
        pair.partner,
        count(*) AS neurons,
        sum(pair.weight)::BIGINT AS weight,
        min(pair.weight) AS weakest,
        list(pair.neuron ORDER BY pair.neuron) AS root_ids,
        any_value(pair.super_class) AS super_class,
        any_value(pair.cell_class) AS cell_class,
        any_value(pair.cell_type) AS cell_type,
        any_value(pair.side) AS side
    FROM partners(
        of_roots, min_synapses := min_synapses, min_size := min_size, keep_autapses := keep_autapses,
        keep_root_zero := keep_root_zero
    ) AS pair
    GROUP BY pair.direction, pair.partner
    HAVING count(*) >= min_shared
    ORDER BY pair.direction, neurons DESC, weight DESC, pair.partner;
COMMENT ON MACRO TABLE shared_partners IS 'The partners that at least min_shared of some neurons have in common, up- and downstream: how many have them, how strongly, and what they are.';
