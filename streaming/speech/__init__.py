"""Voice activity: two detectors with one interface, and the profile made from their flags."""
