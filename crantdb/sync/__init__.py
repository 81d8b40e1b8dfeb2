"""From a service to a snapshot: the only room that knows both the sources and the warehouse."""
