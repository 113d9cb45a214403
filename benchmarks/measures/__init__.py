"""What is measured: one file per line of the issue's table. Each adds its rows to the report and decides nothing else."""
