"""From the contract's messages to the client's types, and back to lines of JSON.

- `wire`: answers to events; `watching`: answers to a watcher; `messages`: lines of JSON

What a field is called on either side is known to `dfd.messages` alone.
"""
