"""What is bolted to a table: cameras."""
