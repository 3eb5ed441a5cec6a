"""From window scores to a verdict.

- `evidence`: adds up LLRs; `alerts`: crossings of thresholds
- `quality`: reasons to doubt a score; `verdict`: the final verdict
- `judge`: all of this for one channel
"""
