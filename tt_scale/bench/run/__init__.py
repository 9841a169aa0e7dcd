"""Run searches over problem sets: plan, session, journal, resume.

Imports what lies below `bench`; prints nothing.
"""
