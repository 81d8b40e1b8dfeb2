"""The local store: staged, validated, committed, catalogued. Knows nothing of CAVE or SeaTable."""
