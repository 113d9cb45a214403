"""What auditors take away and judge: exports, statements, verification, replay."""
