"""What a run tells Prometheus, and the pages, dashboards and alarms that are made of it."""
