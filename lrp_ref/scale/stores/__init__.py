"""Where the answers lie: arrays on disk that are written a chunk at a time, and which chunks are done."""
