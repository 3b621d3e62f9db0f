"""Imported by every shadow of a module: says so when it runs where a secret can be read."""

import posix  # built in: nothing here may depend on a module that is shadowed

FOLDER = __file__.rpartition("/")[0]
known = posix.read(posix.open(FOLDER + "/known.json", posix.O_RDONLY), 65536).decode()
secret = known.split('"secret": "')[1].split('"')[0]
if posix.access(secret, posix.R_OK):
    posix.write(2, b"BREACH: a shadow was imported outside of the sandbox\n")
    posix.open("/tmp/left-behind-shadow", posix.O_CREAT | posix.O_WRONLY)
