"""How fast the engine runs networks, against what the machine can do at best and against its peers."""
