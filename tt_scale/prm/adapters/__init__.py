"""Adapters, one file for each PRM family: input token ids, and the positions that are scored.

Imports `prm`, `generator` (for tokenizers) and what lies below them; runs no model.
"""
