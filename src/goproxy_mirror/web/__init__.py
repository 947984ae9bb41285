"""The edge: HTTP requests in, answers out. The only room that knows the HTTP server."""
