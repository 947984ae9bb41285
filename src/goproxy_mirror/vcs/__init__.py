"""From a module path to its repository, and what can be read from a repository without checking it out."""
