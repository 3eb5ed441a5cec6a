"""Call audio, whatever its transport: `codecs`, `g711`, `silence`, narrow band."""
