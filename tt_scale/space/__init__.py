"""What a searcher sees of one problem: sampling, scoring, budget and search tree behind `expand` and `complete`.

Imports `core`, `config` and the contracts; knows no engine, no grader and no method.
"""
