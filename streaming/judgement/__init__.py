"""From window scores to a verdict.

- `evidence`: adds up LLRs; `alerts`: crossings of thresholds
- `quality`: reasons to doubt a score; `verdict`: the final verdict
- `watermarks`: which windows to read for watermarks, and when one is found
- `judge`: all of this for one channel
"""
