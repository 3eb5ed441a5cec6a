"""The command `dfd`: one thin module for each verb."""
