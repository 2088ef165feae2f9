"""The networks, and the physics inside the exported graph."""
