"""What generators and PRMs share: names and sizes of models, number types, batching, and the life of an engine.

Imports `core`, `config`, `registry`, `backends` and `pocket`; knows no space, searcher, generator or PRM.
"""
