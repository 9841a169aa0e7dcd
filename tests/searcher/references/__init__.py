"""The search loops of published codes, written anew from what those codes do, for our methods to be held against.

Each is a plain loop over keys in a world without an engine: `grow(key)` is not needed, since a world says of every key
what its score is and whether it is an end. A reference differs from its source only where its docstring says so.
"""
