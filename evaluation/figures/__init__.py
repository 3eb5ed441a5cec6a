"""Figures of merit, from scores and labels.

- `metrics`, `tdcf`: EER, AUC, costs; the tandem cost; `calibration`: LLRs and thresholds
- `breakdown`: all figures of a set, by source, system and more; `by_seconds`: over time
- `curves`: data for plots; `baselines`: published figures for comparison
"""
