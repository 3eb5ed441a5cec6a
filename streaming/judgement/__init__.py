"""Window scores to a judgement.

- `evidence`: LLRs added up; `alerts`: thresholds crossed
- `quality`: what makes a score doubtful; `verdict`: what is said in the end
- `judge`: all of it for one channel
"""
