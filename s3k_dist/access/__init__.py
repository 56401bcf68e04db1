"""The front door: who somebody is, what they may do, and a record of what was done."""
