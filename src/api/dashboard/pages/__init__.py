"""The pages of the dashboard, a module for each, and what only pages use: their forms, ranges, labels and charts."""
