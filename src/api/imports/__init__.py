"""Usage files become deductions."""
