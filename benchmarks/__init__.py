"""How fast Holdfast is, measured beside what the machine and Mesos can do at best."""
