"""What an operator writes for an import: formulas, templates, and the file of prices."""
