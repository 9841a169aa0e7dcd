"""One file for each family of PRMs: the token ids that it reads, and the positions of its scores.

Imports `prm`, `generator` (for tokenizers) and what lies below them; runs no model.
"""
