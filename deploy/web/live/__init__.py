"""The *Live* page: every cell as the run sees it, what it has come to, and what an operator may ask of it."""
