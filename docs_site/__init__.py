"""What makes the documentation in docs/ a site. It is no part of the distribution."""
