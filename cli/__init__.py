"""The command `dfd`: a thin module a verb."""
