"""What generators and PRMs share: names and sizes of models, dtypes, batching, start and stop of engines.

Imports `core`, `config`, `registry`, `backends` and `pocket`; knows no space, searcher, generator or PRM.
"""
