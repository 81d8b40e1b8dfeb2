"""Nested connectivity matrices: neurons in blocks of one cell type each, and what such blocks say together.

from crantdb.analysis.matrices.nested import NestedMatrix

matrix = NestedMatrix.from_connection(con, types=["EPG/PEG", "ER", "PFN"])
matrix.sum_type_matrix["ER2", "EPG/PEG"]
matrix.plot("ring.png", level="type_mean")
"""
