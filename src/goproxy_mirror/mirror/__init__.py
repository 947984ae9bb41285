"""The journey of a request, and what decides on its way."""
