"""`bench throughput`: how fast one backbone extracts features here, and why not faster."""
