"""The commands, a file a subject; each loads what it needs when it runs, so that help is quick."""
