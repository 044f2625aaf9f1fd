"""Registration (报名): from the notices to the payment, by candidate and by site.

Modules in the order of the flow: `eligibility` (who may), `person` (personal data), `subjects`
(seats), `review` (submit, approve, reject), `locking`, `expiry` (clocks and sweep). `states` holds
what they share. Payment and photos are `rules.payment` and `rules.photo`.

Candidate rules open their own permit (`permits`). Rules of the site side expect the caller's:
the operation that runs them declares window and verbs, and lists `permits.TABLES` in `writes`.
"""
