"""Avro on the wire: schemas, codec, framing."""
