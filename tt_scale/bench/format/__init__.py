"""How a record is written down: columns of its tree and its tape, types of its fields, checksums of its lines.

Imports `space.tape` and what lies below it.
"""
