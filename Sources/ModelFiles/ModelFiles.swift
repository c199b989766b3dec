// ModelFiles: placeholder until the first file lands.
