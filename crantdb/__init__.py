"""A local analytical warehouse of a CAVE connectome."""

__all__: list[str] = []
