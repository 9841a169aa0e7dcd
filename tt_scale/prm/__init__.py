"""Process reward models, imported when their name is used (`tt_scale.registry`).

Imports `generator`, `engines` and what lies below them; never `searcher`.
"""
