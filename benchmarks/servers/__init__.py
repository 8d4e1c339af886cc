"""Real servers for tests and benchmarks, on free loopback ports, ended with whoever started them.

Their programs come in wheels (the extra `dev`), so that nothing has to be installed by root. A
server that cannot start raises ServerFailed: a test that needs it fails, it does not skip.
"""
