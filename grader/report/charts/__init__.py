"""Charts of the reports, drawn as SVG from the figures of a grade."""
