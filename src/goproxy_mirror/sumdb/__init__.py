"""A client of checksum databases that believes nothing but what their signed trees prove."""
