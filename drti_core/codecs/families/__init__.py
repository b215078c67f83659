"""What codecs of a kind inherit; no codec itself."""
