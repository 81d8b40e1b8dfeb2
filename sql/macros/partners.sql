-- The partners of neurons, both ways, with who they are. One row a neuron, direction and partner, strongest first.
-- share: the part of all the neuron's synapses in that direction. In this order: synapses smaller than min_size are
-- dropped; autapses and root 0 are dropped unless kept; shares are taken; pairs of fewer than min_synapses are dropped.
CREATE OR REPLACE MACRO partners(
    of_roots, min_synapses := 1, min_size := NULL, keep_autapses := false, keep_root_zero := false
) AS TABLE
    WITH counted AS (
        SELECT told.pre AS neuron, 'downstream' AS direction, told.post AS partner, told.weight, told.size_sum
        FROM downstream(
            of_roots, min_size := min_size, keep_autapses := keep_autapses, keep_root_zero := keep_root_zero
        ) AS told
        UNION ALL
        SELECT heard.post, 'upstream', heard.pre, heard.weight, heard.size_sum
        FROM upstream(
            of_roots, min_size := min_size, keep_autapses := keep_autapses, keep_root_zero := keep_root_zero
        ) AS heard
    ),
    parted AS (
        SELECT
            counted.*,
            counted.weight / sum(counted.weight) OVER (PARTITION BY counted.neuron, counted.direction) AS share
        FROM counted
    )
    SELECT
        parted.neuron,
        parted.direction,
        parted.partner,
        parted.weight,
        parted.size_sum,
        parted.share,
        known.super_class,
        known.cell_class,
        known.cell_type,
        known.cell_instance,
        known.side,
        known.proofread,
        known.status
    FROM parted
    LEFT JOIN neurons AS known ON known.root_id = parted.partner
    WHERE parted.weight >= min_synapses
    ORDER BY parted.neuron, parted.direction, parted.weight DESC, parted.partner;
COMMENT ON MACRO TABLE partners IS 'The partners of neurons, up- and downstream, strongest first: weight, share of the neuron''s in- or output, type, side and proofreading of the partner. Autapses and root 0 are dropped unless kept.';
