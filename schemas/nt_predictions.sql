-- Neurotransmitter predictions, one row a predicted synapse: a probability for each class. A place for what a
-- classifier gives; classes of its own that are not named here follow as columns of their own.
CREATE TABLE nt_predictions (
    synapse_id     BIGINT NOT NULL,
    acetylcholine  DOUBLE,
    dopamine       DOUBLE,
    gaba           DOUBLE,
    glutamate      DOUBLE,
    octopamine     DOUBLE,
    peptide        DOUBLE,
    weight         DOUBLE
);
COMMENT ON TABLE nt_predictions IS 'Neurotransmitter predictions: one row a predicted synapse, a probability for each class.';
COMMENT ON COLUMN nt_predictions.synapse_id IS 'CAVE id of the synapse.';
COMMENT ON COLUMN nt_predictions.acetylcholine IS 'Probability of acetylcholine; NULL: the classifier has no such class.';
COMMENT ON COLUMN nt_predictions.dopamine IS 'Probability of dopamine.';
COMMENT ON COLUMN nt_predictions.gaba IS 'Probability of GABA.';
COMMENT ON COLUMN nt_predictions.glutamate IS 'Probability of glutamate.';
COMMENT ON COLUMN nt_predictions.octopamine IS 'Probability of octopamine.';
COMMENT ON COLUMN nt_predictions.peptide IS 'Probability of a peptide.';
COMMENT ON COLUMN nt_predictions.weight IS 'What the synapse weighs in a neuron''s mean (a cleft score); NULL: the import had none.';
