"""The command line: one file per command; parses, calls, and turns errors into sentences.

Imports everything else; nothing imports it.
"""
