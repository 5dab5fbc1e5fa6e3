"""Apache Kafka as a child process, from wheels and jars."""
