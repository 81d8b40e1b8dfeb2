-- Annotated neurons, one row a root id at as_of. The columns are one annotation's, never mixed of two.
CREATE TABLE neurons (
    root_id                   BIGINT PRIMARY KEY,
    _id                       VARCHAR NOT NULL,
    annotation_ids            VARCHAR[] NOT NULL,
    annotation_count          BIGINT NOT NULL,
    merged_at_as_of           BOOLEAN NOT NULL,
    duplicate_annotations     BOOLEAN NOT NULL,
    inconsistent_annotations  BOOLEAN NOT NULL,
    root_status               VARCHAR NOT NULL,
    supervoxel_id             BIGINT,
    side                      VARCHAR,
    flow                      VARCHAR,
    super_class               VARCHAR,
    cell_class                VARCHAR,
    cell_type                 VARCHAR,
    cell_subtype              VARCHAR,
    cell_instance             VARCHAR,
    hemilineage               VARCHAR,
    nerve                     VARCHAR,
    tract                     VARCHAR,
    region                    VARCHAR[],
    status                    VARCHAR[],
    proofread                 BOOLEAN,
    date_proofread            DATE,
    known_nt                  VARCHAR,
    known_nt_source           VARCHAR,
    alternative_names         VARCHAR,
    annotator_notes           VARCHAR,
    proofreader_notes         VARCHAR,
    notes                     VARCHAR,
    user_annotator            VARCHAR[],
    user_proofreader          VARCHAR[],
    ngl_link                  VARCHAR,
    cave_table                VARCHAR,
    nucleus_id                BIGINT,
    position_x                BIGINT,
    position_y                BIGINT,
    position_z                BIGINT,
    position_x_nm             DOUBLE,
    position_y_nm             DOUBLE,
    position_z_nm             DOUBLE,
    nucleus_position_x        BIGINT,
    nucleus_position_y        BIGINT,
    nucleus_position_z        BIGINT,
    nucleus_position_x_nm     DOUBLE,
    nucleus_position_y_nm     DOUBLE,
    nucleus_position_z_nm     DOUBLE,
    root_position_x           BIGINT,
    root_position_y           BIGINT,
    root_position_z           BIGINT,
    root_position_x_nm        DOUBLE,
    root_position_y_nm        DOUBLE,
    root_position_z_nm        DOUBLE,
    root_id_processed         MAP(VARCHAR, BIGINT),
    volume_nm3                DOUBLE,
    l2_nodes                  BIGINT,
    l2_cable_length_um        DOUBLE,
    input_connections         BIGINT,
    output_connections        BIGINT,
    axon_input                BIGINT,
    axon_output               BIGINT,
    dendrite_input            BIGINT,
    dendrite_output           BIGINT,
    segregation_index         DOUBLE,
    _ctime                    TIMESTAMP,
    _mtime                    TIMESTAMP
);
COMMENT ON TABLE neurons IS 'Annotated neurons: one row a root id at as_of. Of several annotations, a consistent, current, proofread one, else the one last changed, gives the columns; annotation_ids lists all.';
COMMENT ON COLUMN neurons.root_id IS 'Root id at as_of.';
COMMENT ON COLUMN neurons._id IS 'The annotation that the columns are of: consistent before others, current before others, proofread before others, then the one last changed, then the lowest _id.';
COMMENT ON COLUMN neurons.annotation_ids IS 'All annotations of the root, that one first.';
COMMENT ON COLUMN neurons.annotation_count IS 'How many they are.';
COMMENT ON COLUMN neurons.merged_at_as_of IS 'Whether two of them are neurons that were parted after as_of.';
COMMENT ON COLUMN neurons.duplicate_annotations IS 'Whether two of them are one neuron annotated twice.';
COMMENT ON COLUMN neurons.inconsistent_annotations IS 'Whether one of them has a typed root that its supervoxel was never part of.';
COMMENT ON COLUMN neurons.root_status IS 'root_status of that annotation.';
COMMENT ON COLUMN neurons.supervoxel_id IS 'Supervoxel that the root follows from.';
COMMENT ON COLUMN neurons.side IS 'left or right, as typed.';
COMMENT ON COLUMN neurons.flow IS 'afferent, intrinsic, efferent, as typed.';
COMMENT ON COLUMN neurons.super_class IS 'Coarsest class, as typed.';
COMMENT ON COLUMN neurons.cell_class IS 'Class, as typed.';
COMMENT ON COLUMN neurons.cell_type IS 'Type, as typed; a question mark belongs to it.';
COMMENT ON COLUMN neurons.cell_subtype IS 'Subtype, as typed.';
COMMENT ON COLUMN neurons.cell_instance IS 'Instance, as typed; may end with a column, e.g. L1.';
COMMENT ON COLUMN neurons.hemilineage IS 'Hemilineage, as typed.';
COMMENT ON COLUMN neurons.nerve IS 'Nerve, as typed.';
COMMENT ON COLUMN neurons.tract IS 'Tract, e.g. mALT.';
COMMENT ON COLUMN neurons.region IS 'Brain regions, e.g. LH, AL, MB; NULL when none is chosen.';
COMMENT ON COLUMN neurons.status IS 'Proofreading marks, e.g. BACKBONE_PROOFREAD; NULL when none is chosen.';
COMMENT ON COLUMN neurons.proofread IS 'The checkbox of that name.';
COMMENT ON COLUMN neurons.date_proofread IS 'When it was proofread.';
COMMENT ON COLUMN neurons.known_nt IS 'Transmitters known from the literature, e.g. acetylcholine, sNPF.';
COMMENT ON COLUMN neurons.known_nt_source IS 'Where that is known from.';
COMMENT ON COLUMN neurons.alternative_names IS 'Other names.';
COMMENT ON COLUMN neurons.annotator_notes IS 'Notes of annotators.';
COMMENT ON COLUMN neurons.proofreader_notes IS 'Notes of proofreaders.';
COMMENT ON COLUMN neurons.notes IS 'Other notes.';
COMMENT ON COLUMN neurons.user_annotator IS 'Who annotated.';
COMMENT ON COLUMN neurons.user_proofreader IS 'Who proofread.';
COMMENT ON COLUMN neurons.ngl_link IS 'Neuroglancer link.';
COMMENT ON COLUMN neurons.cave_table IS 'CAVE tables that hold the row too.';
COMMENT ON COLUMN neurons.nucleus_id IS 'Id of the nucleus in the nucleus segmentation.';
COMMENT ON COLUMN neurons.position_x IS 'Anchor point, x in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.position_y IS 'Anchor point, y in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.position_z IS 'Anchor point, z in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.position_x_nm IS 'Anchor point, x in nm.';
COMMENT ON COLUMN neurons.position_y_nm IS 'Anchor point, y in nm.';
COMMENT ON COLUMN neurons.position_z_nm IS 'Anchor point, z in nm.';
COMMENT ON COLUMN neurons.nucleus_position_x IS 'Nucleus, x in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.nucleus_position_y IS 'Nucleus, y in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.nucleus_position_z IS 'Nucleus, z in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.nucleus_position_x_nm IS 'Nucleus, x in nm.';
COMMENT ON COLUMN neurons.nucleus_position_y_nm IS 'Nucleus, y in nm.';
COMMENT ON COLUMN neurons.nucleus_position_z_nm IS 'Nucleus, z in nm.';
COMMENT ON COLUMN neurons.root_position_x IS 'Point to root the skeleton at, x in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.root_position_y IS 'Point to root the skeleton at, y in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.root_position_z IS 'Point to root the skeleton at, z in the SeaTable''s voxels.';
COMMENT ON COLUMN neurons.root_position_x_nm IS 'Point to root the skeleton at, x in nm.';
COMMENT ON COLUMN neurons.root_position_y_nm IS 'Point to root the skeleton at, y in nm.';
COMMENT ON COLUMN neurons.root_position_z_nm IS 'Point to root the skeleton at, z in nm.';
COMMENT ON COLUMN neurons.root_id_processed IS 'For which root each derived number below was computed, by metric: l2, synapses, volume, split, split_metrics.';
COMMENT ON COLUMN neurons.volume_nm3 IS 'Volume in nm3, as written by the lab''s scripts for the root in root_id_processed.';
COMMENT ON COLUMN neurons.l2_nodes IS 'L2 chunks, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons.l2_cable_length_um IS 'Cable length in µm, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons.input_connections IS 'Synapses onto it, as written by the lab''s scripts; 0 may mean that the root was too new. Count them here instead.';
COMMENT ON COLUMN neurons.output_connections IS 'Synapses from it, as written by the lab''s scripts; as input_connections.';
COMMENT ON COLUMN neurons.axon_input IS 'Synapses onto its axon, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons.axon_output IS 'Synapses from its axon, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons.dendrite_input IS 'Synapses onto its dendrite, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons.dendrite_output IS 'Synapses from its dendrite, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons.segregation_index IS 'How far axon and dendrite part inputs and outputs, 0 to 1, as written by the lab''s scripts.';
COMMENT ON COLUMN neurons._ctime IS 'When the row was made, UTC.';
COMMENT ON COLUMN neurons._mtime IS 'When the row was last changed, UTC.';
