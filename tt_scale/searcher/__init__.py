"""Search methods, one file each; `tt_scale.registry` resolves them by name.

Imports `space`, `core`, `config` and the contracts; imports no engine, PRM, generator or grader.
"""
