"""Handouts of the lessons: chapters, slides, PDF and notebooks from one Markdown source.

    source -> Document -> chapter | slides | notebook;  chapter -> PDF;  all of them -> course site

What may stand in a source is described in docs/handouts.md. Reads lessons only.
"""
