"""The pages of what is sold: the catalogue for operators, and the plans for account holders."""
