"""Implicit PRMs: the score is a ratio of the token probabilities of two language models.

Imports `prm`, `generator`, `engines` and what lies below them.
"""
