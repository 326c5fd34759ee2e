"""Offers matched with needs: constraints, resources, ports, volumes, explanations."""
