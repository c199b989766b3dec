// GitLedger: placeholder until the first file lands.
