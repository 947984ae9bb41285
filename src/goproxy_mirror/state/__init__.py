"""What is known about the published files; never needed to serve one."""
