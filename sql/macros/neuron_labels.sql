-- What neurons are called at a level of annotation. One row an annotated root; label is NULL where none was typed.
CREATE OR REPLACE MACRO neuron_labels(of_level) AS TABLE
    SELECT
        known.root_id,
        CASE of_level
            WHEN 'flow' THEN known.flow
            WHEN 'super_class' THEN known.super_class
            WHEN 'cell_class' THEN known.cell_class
            WHEN 'cell_type' THEN known.cell_type
            WHEN 'cell_subtype' THEN known.cell_subtype
            WHEN 'cell_instance' THEN known.cell_instance
            WHEN 'hemilineage' THEN known.hemilineage
            WHEN 'side' THEN known.side
            WHEN 'nerve' THEN known.nerve
            WHEN 'tract' THEN known.tract
            WHEN 'known_nt' THEN known.known_nt
            ELSE error(
                'no level of annotation is called ' || coalesce(of_level::VARCHAR, 'NULL')
                || '; there are flow, super_class, cell_class, cell_type, cell_subtype, cell_instance, hemilineage, '
                || 'side, nerve, tract, known_nt'
            )
        END AS label
    FROM neurons AS known;
COMMENT ON MACRO TABLE neuron_labels IS 'What annotated neurons are called at a level: FROM neuron_labels(''cell_type''), root_id and label.';
