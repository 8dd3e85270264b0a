"""One module per relation: what we ask for (`request`) and what the other side answered (`parse`), both pure.

A bag is a unit's settings as Juju keeps them: text under text. Each module's docstring says which keys there are. `parse` returns
facts as a frozen dataclass, or `Missing` with the keys that are not there yet. `request` returns the keys that we write; an empty text
takes the key away. A relation that comes later (mysql_client, postgresql_client, certificates by signing request) is another module of
this form and a line in `state.py` and `publish.py`.
"""
