"""What one more cell costs, and where each part saturates."""
