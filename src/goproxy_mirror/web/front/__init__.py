"""A web server in front of ours: what is told to it, and its life beside our workers."""
