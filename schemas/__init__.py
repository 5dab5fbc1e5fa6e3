"""The wire: schemas, framing, topics, partitions and identities, as every party needs them."""
