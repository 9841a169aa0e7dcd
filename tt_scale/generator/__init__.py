"""Generator backends, imported when their name is used (`tt_scale.registry`).

Imports `engines`, `problems` and what lies below them; never `prm` or `searcher`.
"""
