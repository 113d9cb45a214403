"""What is measured: one file per subject. Each adds its rows to the report, and nothing else."""
