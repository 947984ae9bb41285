"""From a revision of a repository to the three files of a module version, exactly as the go command makes them."""
