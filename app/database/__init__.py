"""Tables' base class, types, sessions, the unit of work and the policy on the session."""
