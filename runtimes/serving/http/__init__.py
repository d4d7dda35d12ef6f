"""Connections: HTTP/1.1 with every wait and every buffer bounded."""
