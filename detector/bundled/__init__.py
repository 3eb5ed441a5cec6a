"""The weights that come with dfd, and their card."""
