"""Generator backends, imported when their name is used (`tt_scale.registry`).

Imports `engines`, `problems` and what lies below them; knows no PRM and no method.
"""
