"""Where somebody speaks: two detectors behind one face, and what is made of their flags."""
