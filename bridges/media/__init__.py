"""Call audio as such, whatever brought it: `codecs`, `g711`, what is `silence`, narrow band."""
