"""Load weights with Transformers, and cache keys and values between calls.

Imports `engines` and what lies below it; torch is imported inside functions.
"""
