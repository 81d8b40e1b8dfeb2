"""The annotation schemas the sandbox knows, declared once: for the schema service and for the tables.

A small part of EMAnnotationSchemas: the types that the recordings show in tables. The fields stand in the
order in which a merged table serves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

FieldKind = Literal["point", "bound_point", "float", "string", "boolean", "integer", "id"]

_ARROW = {
    "float": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "id": pa.int64(),
}
_POSITION = {"position": {"type": "array"}}
_LOOKED_UP = {"root_id": {"type": "integer"}, "supervoxel_id": {"type": "integer"}}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a schema: its name, its kind, what it means, and whether it may be left out."""

    name: str
    kind: FieldKind
    description: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SchemaType:
    """One annotation schema: the name of its definition, and its fields in the order of a merged table."""

    title: str
    fields: tuple[Field, ...]

    def columns(self) -> tuple[tuple[str, pa.DataType], ...]:
        """Return the columns of a merged table behind ``id`` and ``valid``: name and type."""
        return tuple(column for field in self.fields for column in _columns(field))


_PT = Field("pt", "bound_point", "Location associated with the annotation")
_PRE = Field("pre_pt", "bound_point", "a nearby point located in the presynaptic compartment of the synapse")
_POST = Field(
    "post_pt", "bound_point", "a nearby point located in the postsynaptic compartment of the synapse"
)
_TARGET = Field("target_id", "id")
_VALID_ID = Field("valid_id", "id")
_CELL_TYPE = (
    Field("classification_system", "string", "Classification system followed"),
    Field("cell_type", "string", "Cell type name"),
)
_TAG = Field("tag", "string", "Arbitrary text tag")
_USER = Field("user_id", "integer", "The user")
_SCORES = ("connection_score", "cleft_score", "gaba", "ach", "glut", "oct", "ser", "da")

SCHEMA_TYPES: Mapping[str, SchemaType] = MappingProxyType(
    {
        "synapse": SchemaType(
            "SynapseSchema",
            (
                _PRE,
                _POST,
                Field("ctr_pt", "point", "central point"),
                Field("size", "float", "size of synapse", optional=True),
            ),
        ),
        "fly_nt_synapse": SchemaType(
            "BuhmannEcksteinSynapseSchema",
            (
                _PRE,
                _POST,
                *(Field(name, "float", name, optional=True) for name in _SCORES),
                Field("valid_nt", "boolean", optional=True),
            ),
        ),
        "nucleus_detection": SchemaType(
            "NucleusDetection",
            (
                Field("volume", "float", "the volume of the nucleus detected in um^3", optional=True),
                _PT,
                Field("bb_start", "point", "low corner of the bounding box", optional=True),
                Field("bb_end", "point", "high corner of the bounding box", optional=True),
            ),
        ),
        "cell_type_local": SchemaType("CellTypeLocal", (*_CELL_TYPE, _PT)),
        "cell_type_reference": SchemaType("CellTypeReference", (_TARGET, *_CELL_TYPE)),
        "bound_tag": SchemaType("BoundTagAnnotation", (_PT, _TAG)),
        "bound_tag_user": SchemaType("BoundTagAnnotationUser", (_PT, _TAG, _USER)),
        "compartment_proofread_status_strategy": SchemaType(
            "CompartmentProofreadStatusStrategy",
            (
                _PT,
                _VALID_ID,
                Field("status_dendrite", "boolean", "Proofread status of the dendrite only."),
                Field("status_axon", "boolean", "Proofread status of the axon only."),
                Field("strategy_dendrite", "string", "Strategy used when proofreading dendrite."),
                Field("strategy_axon", "string", "Strategy used when proofreading axon."),
            ),
        ),
        "proofreading_boolstatus_user": SchemaType(
            "ProofreadingBoolStatusUser",
            (_PT, _VALID_ID, Field("proofread", "boolean", "Proofread status of cell."), _USER),
        ),
        "reference_point": SchemaType("FlatSegmentationReferenceSinglePoint", (_TARGET, _PT)),
        "reference_simple_group": SchemaType(
            "SimpleGroup", (_TARGET, Field("group_id", "integer", "group id"))
        ),
        "reference_synapse_valid": SchemaType(
            "ValidSynapse", (_TARGET, Field("is_valid", "boolean", "Valid annotation for synapses"))
        ),
    }
)


def json_schema(name: str) -> dict[str, Any]:
    """Return a schema as the schema service publishes it: JSON Schema, draft 07.

    Raises:
        KeyError: for a schema that the sandbox does not know.
    """
    schema = SCHEMA_TYPES[name]
    kinds = {field.kind for field in schema.fields}
    definitions: dict[str, Any] = {}
    if "point" in kinds:
        definitions["SpatialPoint"] = _object(_POSITION, ["position"], more=False)
    if "bound_point" in kinds:
        definitions["BoundSpatialPoint"] = _object({**_POSITION, **_LOOKED_UP}, ["position"], more=False)
    valid = Field("valid", "boolean", "is this annotation valid", optional=True)
    properties = {
        field.name: _property(field) for field in sorted((*schema.fields, valid), key=lambda f: f.name)
    }
    properties["valid"]["default"] = False
    required = sorted(field.name for field in schema.fields if not field.optional)
    definitions[schema.title] = _object(properties, required, more=True)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": definitions,
        "$ref": f"#/definitions/{schema.title}",
    }


def _object(properties: Mapping[str, Any], required: list[str], *, more: bool) -> dict[str, Any]:
    """Return the JSON Schema of an object."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": more,
    }


def _property(field: Field) -> dict[str, Any]:
    """Return the JSON Schema of a field."""
    if field.kind == "id":
        return {"type": "integer"}
    if field.kind in {"point", "bound_point"}:
        definition = "SpatialPoint" if field.kind == "point" else "BoundSpatialPoint"
        point = {"type": "object", "$ref": f"#/definitions/{definition}", "description": field.description}
        order = {"pre_pt": 0, "ctr_pt": 1, "post_pt": 2}.get(field.name)
        return point if order is None else {**point, "order": order}
    kind = {"float": "number", "integer": "number"}.get(field.kind, field.kind)
    described = {"title": field.name, "type": [kind, "null"] if field.optional else kind}
    if field.kind in {"float", "integer"}:
        described["format"] = field.kind
    return {**described, "description": field.description}


def _columns(field: Field) -> tuple[tuple[str, pa.DataType], ...]:
    """Return the columns into which a field falls: name and type."""
    if field.kind not in {"point", "bound_point"}:
        return ((field.name, _ARROW[field.kind]),)
    position = tuple((f"{field.name}_position_{axis}", pa.int64()) for axis in "xyz")
    if field.kind == "point":
        return position
    return (*position, (f"{field.name}_supervoxel_id", pa.int64()), (f"{field.name}_root_id", pa.int64()))
