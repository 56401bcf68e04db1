"""Speed of the feature service against a bare model loop, Ray Serve and lerobot's transport."""
