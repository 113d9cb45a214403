"""What the docs say of benchmarks and long forms is there, and runs."""
