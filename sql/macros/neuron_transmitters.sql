-- What neurons release, by the predictions of their outgoing synapses: the mean probability of each class. One row
-- a root and class; `place` 1 is the likeliest. A synapse whose classes are all 0 has no prediction and does not
-- count. Synapses count by the weight that was imported (as much each where none was), or each as much with
-- weighted := false; where all weights are 0 so are the means. A root asked for without a predicted synapse has
-- NULL probabilities and no place. Autapses and root 0 are dropped unless kept. Without of_roots every root with a prediction.
CREATE OR REPLACE MACRO neuron_transmitters(
    of_roots := NULL,
    weighted := true,
    in_regions := NULL,
    outside_regions := NULL,
    keep_autapses := false,
    keep_root_zero := false
) AS TABLE
    WITH wanted AS MATERIALIZED (
        FROM root_list(of_roots)
    ),
    released AS (
        SELECT told.id AS synapse_id, told.pre_pt_root_id AS root_id
        FROM synapses AS told
        WHERE told.pre_pt_root_id IS NOT NULL
            AND (asks_all(of_roots) OR told.pre_pt_root_id IN (SELECT wanted.root_id FROM wanted))
            AND (keep_autapses OR told.pre_pt_root_id IS DISTINCT FROM told.post_pt_root_id)
            AND (keep_root_zero OR (told.pre_pt_root_id <> 0 AND told.post_pt_root_id IS DISTINCT FROM 0))
            AND (
                asks_all(in_regions)
                OR told.id IN (
                    SELECT held.synapse_id
                    FROM synapse_regions AS held
                    WHERE held.region IN (SELECT named.region FROM region_list(in_regions) AS named)
                )
            )
            AND (
                asks_all(outside_regions)
                OR told.id NOT IN (
                    SELECT held.synapse_id
                    FROM synapse_regions AS held
                    WHERE held.region IN (SELECT named.region FROM region_list(outside_regions) AS named)
                )
            )
    ),
    predicted AS (
        SELECT released.root_id, given.*
        FROM nt_predictions AS given
        JOIN released ON released.synapse_id = given.synapse_id
    ),
    classed AS (
        SELECT long.root_id, long.synapse_id, coalesce(long.weight, 1.0) AS counts_for, long.transmitter, long.probability
        FROM predicted UNPIVOT (
            probability FOR transmitter IN (COLUMNS(* EXCLUDE (root_id, synapse_id, weight)))
        ) AS long
    ),
    telling AS (
        SELECT classed.*
        FROM classed
        SEMI JOIN (SELECT DISTINCT seen.synapse_id FROM classed AS seen WHERE seen.probability > 0) AS any_class
            ON any_class.synapse_id = classed.synapse_id
    ),
    averaged AS (
        SELECT
            telling.root_id,
            telling.transmitter,
            CASE
                WHEN NOT weighted THEN avg(telling.probability)
                WHEN sum(telling.counts_for) = 0 THEN 0.0
                ELSE sum(telling.probability * telling.counts_for) / sum(telling.counts_for)
            END AS probability,
            count(*) AS predicted_synapses
        FROM telling
        GROUP BY telling.root_id, telling.transmitter
    ),
    classes AS (
        SELECT DISTINCT one.transmitter
        FROM (SELECT first_row.* FROM nt_predictions AS first_row LIMIT 1) AS sample UNPIVOT (
            probability FOR transmitter IN (COLUMNS(* EXCLUDE (synapse_id, weight)))
        ) AS one
    ),
    answered AS (
        SELECT averaged.root_id, averaged.transmitter, averaged.probability, averaged.predicted_synapses FROM averaged
        UNION ALL
        SELECT wanted.root_id, classes.transmitter, NULL, 0
        FROM wanted
        CROSS JOIN classes
        WHERE wanted.root_id NOT IN (SELECT known.root_id FROM averaged AS known)
    )
    SELECT
        answered.root_id,
        answered.transmitter,
        answered.probability,
        answered.predicted_synapses,
        CASE
            WHEN answered.probability IS NOT NULL
                THEN row_number() OVER (PARTITION BY answered.root_id ORDER BY answered.probability DESC, answered.transmitter)
        END AS place
    FROM answered;
COMMENT ON MACRO TABLE neuron_transmitters IS 'Mean transmitter probabilities of neurons over their outgoing synapses: one row a root and class, place 1 the likeliest: FROM neuron_transmitters(576460752303423489) WHERE place = 1.';
