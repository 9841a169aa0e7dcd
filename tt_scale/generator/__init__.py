"""Generator backends, loaded late and by name; see `tt_scale.registry`.

Imports `engines`, `problems` and what lies below them; knows no PRM and no method.
"""
