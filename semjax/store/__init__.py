"""What teachers said of pictures, on disk: records, shards, fingerprints, and the join with a source of pictures."""
