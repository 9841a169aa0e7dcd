"""A generator on Transformers that caches the next-token logits of every prefix in a trie.

Imports `generator`, `engines` and what lies below them.
"""
