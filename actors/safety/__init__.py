"""What stands between any policy and any robot: limits that no command can leave."""
