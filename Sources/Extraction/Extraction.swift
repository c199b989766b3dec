// Extraction: placeholder until the first file lands.
