"""dfd's types and the contract's messages: ``requests`` out, ``messages`` in, ``wire`` values."""
