"""A Flower app that carries the messages of a MedRounds federation; it reads no bundle, trains nothing and averages nothing."""
