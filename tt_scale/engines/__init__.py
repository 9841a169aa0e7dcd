"""Infrastructure shared by generators and PRMs: model names and sizes, dtypes, batching, start and stop of engines.

Imports `core`, `config`, `registry`, `backends` and `pocket`; never `space`, `searcher`, `generator` or `prm`.
"""
