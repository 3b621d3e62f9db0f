"""How good answers are: detection, classification, and the experiments that students record."""
