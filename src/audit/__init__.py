"""What auditors use: exports, statements, verification, replay."""
