-- What neurons release, by the predictions of their outgoing synapses: the mean probability of each class. One row
-- a root and class; `place` 1 is the likeliest. A synapse whose classes are all 0 has no prediction and does not
-- count; a class that a prediction leaves out counts 0 there. Synapses count by the weight that was imported (as much
-- each where none was), or each as much with weighted := false; where all weights are 0 so are the means. A root asked
-- for without a predicted synapse has NULL probabilities and no place. Autapses and root 0 are dropped unless kept.
-- Without of_roots every root with a prediction.
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
        SELECT
            released.root_id,
            CASE WHEN weighted THEN coalesce(given.weight, 1.0) ELSE 1.0 END AS counts_for,
            greatest(*COLUMNS(given.* EXCLUDE (synapse_id, weight))) AS likeliest,
            given.* EXCLUDE (synapse_id, weight)
        FROM nt_predictions AS given
        JOIN released ON released.synapse_id = given.synapse_id
    ),
    summed AS (
        SELECT
            predicted.root_id,
            count(*) AS predicted_synapses,
            sum(predicted.counts_for) AS counted_for,
            sum(COLUMNS(predicted.* EXCLUDE (root_id, counts_for, likeliest)) * predicted.counts_for)
        FROM predicted
        WHERE predicted.likeliest > 0
        GROUP BY predicted.root_id
    ),
    listed AS (
        SELECT
            summed.root_id,
            summed.predicted_synapses,
            summed.counted_for,
            list_value(*COLUMNS(summed.* EXCLUDE (root_id, predicted_synapses, counted_for))) AS sums
        FROM summed
    ),
    classes AS MATERIALIZED (
        -- By place rather than UNPIVOT: a DuckDB before 2.0 stores no UNPIVOT in a file that older ones read.
        -- A class that the first row is without is none that the classifier has.
        SELECT sample.place, sample.names[sample.place] AS transmitter
        FROM (
            SELECT
                json_keys(to_json(first_row)) AS names,
                list_value(*COLUMNS(first_row.*)) AS probabilities,
                unnest(range(1, len(names) + 1)) AS place
            FROM (SELECT * EXCLUDE (synapse_id, weight) FROM nt_predictions LIMIT 1) AS first_row
        ) AS sample
        WHERE sample.probabilities[sample.place] IS NOT NULL
    ),
    averaged AS (
        SELECT
            listed.root_id,
            classes.transmitter,
            CASE WHEN listed.counted_for = 0 THEN 0.0 ELSE listed.sums[classes.place] / listed.counted_for END AS probability,
            listed.predicted_synapses
        FROM listed
        CROSS JOIN classes
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
