-- What annotators typed, one row a row of the lab's SeaTable, each with the root its supervoxel has at as_of.
CREATE TABLE annotations (
    _id                    VARCHAR NOT NULL,
    root_id                BIGINT,
    root_id_typed          BIGINT,
    root_status            VARCHAR NOT NULL CHECK (root_status IN ('current', 'newer than as_of', 'older than as_of', 'retired', 'supervoxel unknown', 'no supervoxel', 'not an id')),
    root_source            VARCHAR CHECK (root_source IN ('supervoxel', 'position', 'segmentation', 'typed root', 'lineage')),
    supervoxel_id          BIGINT,
    supervoxel_id_used     BIGINT,
    findings               VARCHAR[] NOT NULL,
    side                   VARCHAR,
    flow                   VARCHAR,
    super_class            VARCHAR,
    cell_class             VARCHAR,
    cell_type              VARCHAR,
    cell_subtype           VARCHAR,
    cell_instance          VARCHAR,
    hemilineage            VARCHAR,
    nerve                  VARCHAR,
    tract                  VARCHAR,
    region                 VARCHAR[],
    status                 VARCHAR[],
    proofread              BOOLEAN,
    date_proofread         DATE,
    known_nt               VARCHAR,
    known_nt_source        VARCHAR,
    alternative_names      VARCHAR,
    annotator_notes        VARCHAR,
    proofreader_notes      VARCHAR,
    notes                  VARCHAR,
    user_annotator         VARCHAR[],
    user_proofreader       VARCHAR[],
    ngl_link               VARCHAR,
    cave_table             VARCHAR,
    nucleus_id             BIGINT,
    position_x             BIGINT,
    position_y             BIGINT,
    position_z             BIGINT,
    position_x_nm          DOUBLE,
    position_y_nm          DOUBLE,
    position_z_nm          DOUBLE,
    nucleus_position_x     BIGINT,
    nucleus_position_y     BIGINT,
    nucleus_position_z     BIGINT,
    nucleus_position_x_nm  DOUBLE,
    nucleus_position_y_nm  DOUBLE,
    nucleus_position_z_nm  DOUBLE,
    root_position_x        BIGINT,
    root_position_y        BIGINT,
    root_position_z        BIGINT,
    root_position_x_nm     DOUBLE,
    root_position_y_nm     DOUBLE,
    root_position_z_nm     DOUBLE,
    root_id_processed      MAP(VARCHAR, BIGINT),
    volume_nm3             DOUBLE,
    l2_nodes               BIGINT,
    l2_cable_length_um     DOUBLE,
    input_connections      BIGINT,
    output_connections     BIGINT,
    axon_input             BIGINT,
    axon_output            BIGINT,
    dendrite_input         BIGINT,
    dendrite_output        BIGINT,
    segregation_index      DOUBLE,
    _ctime                 TIMESTAMP,
    _mtime                 TIMESTAMP
);
COMMENT ON TABLE annotations IS 'What annotators typed: one row a row of the lab''s SeaTable, typed, with the root its supervoxel has at as_of.';
COMMENT ON COLUMN annotations._id IS 'SeaTable''s id of the row; it never changes.';
COMMENT ON COLUMN annotations.root_id IS 'Root id at as_of: of the supervoxel, else of the typed root where that still decides; NULL when nothing does.';
COMMENT ON COLUMN annotations.root_id_typed IS 'Root id as it stands in the SeaTable; NULL for none and for text that is no id.';
COMMENT ON COLUMN annotations.root_status IS 'What the typed root is at as_of: current; newer (born later, and healthy); older (replaced, its supervoxel tells by what); retired (replaced, and nothing tells by what). supervoxel unknown, no supervoxel: nothing places the row. not an id: the typed root is none.';
COMMENT ON COLUMN annotations.root_source IS 'What root_id follows from: the supervoxel, typed; that of a CAVE point or synapse at the position; that of the segmentation at the position; the typed root; its lineage. NULL when root_id is NULL.';
COMMENT ON COLUMN annotations.supervoxel_id IS 'Anchor supervoxel as it stands in the SeaTable; NULL for none.';
COMMENT ON COLUMN annotations.supervoxel_id_used IS 'Supervoxel that root_id follows from: the typed one, else the one found at the position.';
COMMENT ON COLUMN annotations.findings IS 'Of merged_at_as_of, duplicate_annotations, inconsistent_annotations, damaged_id; of rows that only their position could place: position_in_background, position_outside (of the segmentation), position_not_looked_up: what is the matter with the row; empty when nothing is.';
COMMENT ON COLUMN annotations.side IS 'left or right, as typed.';
COMMENT ON COLUMN annotations.flow IS 'afferent, intrinsic, efferent, as typed.';
COMMENT ON COLUMN annotations.super_class IS 'Coarsest class, as typed.';
COMMENT ON COLUMN annotations.cell_class IS 'Class, as typed.';
COMMENT ON COLUMN annotations.cell_type IS 'Type, as typed; a question mark belongs to it.';
COMMENT ON COLUMN annotations.cell_subtype IS 'Subtype, as typed.';
COMMENT ON COLUMN annotations.cell_instance IS 'Instance, as typed; may end with a column, e.g. L1.';
COMMENT ON COLUMN annotations.hemilineage IS 'Hemilineage, as typed.';
COMMENT ON COLUMN annotations.nerve IS 'Nerve, as typed.';
COMMENT ON COLUMN annotations.tract IS 'Tract, e.g. mALT.';
COMMENT ON COLUMN annotations.region IS 'Brain regions, e.g. LH, AL, MB; NULL when none is chosen.';
COMMENT ON COLUMN annotations.status IS 'Proofreading marks, e.g. BACKBONE_PROOFREAD; NULL when none is chosen.';
COMMENT ON COLUMN annotations.proofread IS 'The checkbox of that name.';
COMMENT ON COLUMN annotations.date_proofread IS 'When it was proofread.';
COMMENT ON COLUMN annotations.known_nt IS 'Transmitters known from the literature, e.g. acetylcholine, sNPF.';
COMMENT ON COLUMN annotations.known_nt_source IS 'Where that is known from.';
COMMENT ON COLUMN annotations.alternative_names IS 'Other names.';
COMMENT ON COLUMN annotations.annotator_notes IS 'Notes of annotators.';
COMMENT ON COLUMN annotations.proofreader_notes IS 'Notes of proofreaders.';
COMMENT ON COLUMN annotations.notes IS 'Other notes.';
COMMENT ON COLUMN annotations.user_annotator IS 'Who annotated.';
COMMENT ON COLUMN annotations.user_proofreader IS 'Who proofread.';
COMMENT ON COLUMN annotations.ngl_link IS 'Neuroglancer link.';
COMMENT ON COLUMN annotations.cave_table IS 'CAVE tables that hold the row too.';
COMMENT ON COLUMN annotations.nucleus_id IS 'Id of the nucleus in the nucleus segmentation.';
COMMENT ON COLUMN annotations.position_x IS 'Anchor point, x in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.position_y IS 'Anchor point, y in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.position_z IS 'Anchor point, z in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.position_x_nm IS 'Anchor point, x in nm.';
COMMENT ON COLUMN annotations.position_y_nm IS 'Anchor point, y in nm.';
COMMENT ON COLUMN annotations.position_z_nm IS 'Anchor point, z in nm.';
COMMENT ON COLUMN annotations.nucleus_position_x IS 'Nucleus, x in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.nucleus_position_y IS 'Nucleus, y in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.nucleus_position_z IS 'Nucleus, z in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.nucleus_position_x_nm IS 'Nucleus, x in nm.';
COMMENT ON COLUMN annotations.nucleus_position_y_nm IS 'Nucleus, y in nm.';
COMMENT ON COLUMN annotations.nucleus_position_z_nm IS 'Nucleus, z in nm.';
COMMENT ON COLUMN annotations.root_position_x IS 'Point to root the skeleton at, x in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.root_position_y IS 'Point to root the skeleton at, y in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.root_position_z IS 'Point to root the skeleton at, z in the SeaTable''s voxels.';
COMMENT ON COLUMN annotations.root_position_x_nm IS 'Point to root the skeleton at, x in nm.';
COMMENT ON COLUMN annotations.root_position_y_nm IS 'Point to root the skeleton at, y in nm.';
COMMENT ON COLUMN annotations.root_position_z_nm IS 'Point to root the skeleton at, z in nm.';
COMMENT ON COLUMN annotations.root_id_processed IS 'For which root each derived number below was computed, by metric: l2, synapses, volume, split, split_metrics.';
COMMENT ON COLUMN annotations.volume_nm3 IS 'Volume in nm3, as written by the lab''s scripts for the root in root_id_processed.';
COMMENT ON COLUMN annotations.l2_nodes IS 'L2 chunks, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations.l2_cable_length_um IS 'Cable length in µm, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations.input_connections IS 'Synapses onto it, as written by the lab''s scripts; 0 may mean that the root was too new. Count them here instead.';
COMMENT ON COLUMN annotations.output_connections IS 'Synapses from it, as written by the lab''s scripts; as input_connections.';
COMMENT ON COLUMN annotations.axon_input IS 'Synapses onto its axon, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations.axon_output IS 'Synapses from its axon, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations.dendrite_input IS 'Synapses onto its dendrite, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations.dendrite_output IS 'Synapses from its dendrite, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations.segregation_index IS 'How far axon and dendrite part inputs and outputs, 0 to 1, as written by the lab''s scripts.';
COMMENT ON COLUMN annotations._ctime IS 'When the row was made, UTC.';
COMMENT ON COLUMN annotations._mtime IS 'When the row was last changed, UTC.';
