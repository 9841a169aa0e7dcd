"""Search methods, one file each; `tt_scale.registry` finds them by name.

Imports `space`, `core`, `config` and the contracts; knows no engine, PRM, generator or grader.
"""
