"""Many workers on one grid: processes here or on the nodes of a cluster, with a shared folder."""
