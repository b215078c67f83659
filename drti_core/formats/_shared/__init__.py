"""What several formats read alike; no format itself."""
