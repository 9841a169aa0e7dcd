"""What stands behind the two verbs of a searcher: `expand` and `complete`.

Imports `core`, `config`, the contracts and `registry`; knows no engine, no grader and no method.
"""
