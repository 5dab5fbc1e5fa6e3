"""The last hop: what `mailing.sends` asks for, rendered and handed to a server, a hook or a folder.

Knows the worker only by the topic.
"""
