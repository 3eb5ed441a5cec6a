"""Scores and labels to figures of merit.

- `metrics`, `tdcf`: EER, AUC, costs; the tandem cost; `calibration`: LLRs and thresholds
- `breakdown`: all figures of a set, by source, system and more; `heard`: as evidence arrives
- `curves`: what a plot shows; `baselines`: published figures to compare with
"""
