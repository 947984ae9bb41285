"""The homes of modules: upstream proxies, origins and mirrors, and the order in which they are asked."""
