"""The report: one HTML file that needs no network, made of page data, charts, a stylesheet and scripts.

Imports the readers, tables and charts of `report`; jinja2, latex2mathml and vl-convert inside functions.
"""
