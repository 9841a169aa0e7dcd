"""Process reward models, loaded late and by name; see `tt_scale.registry`.

Imports `generator`, `engines` and what lies below them; knows no method.
"""
