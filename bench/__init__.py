"""Which backbone, adapted how? Suites in, leaderboards out."""
