"""What `dfd listen` and `dfd replay` do, without what they show."""
