"""What a module is: paths, versions, patterns, go.mod, zips and hashes. No network, no programs, no settings."""
