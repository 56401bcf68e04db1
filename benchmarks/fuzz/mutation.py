"""Mutants of inputs, for where atheris is not installed: flipped, cut, doubled and spliced bytes."""

import random

LONGEST = 1 << 16
TELLING = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", bytes(8), b"\xff" * 8, b"nan")


def mutant(pool: list[bytes], chance: random.Random) -> bytes:
    """One of the pool's, changed in up to eight places."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(data))
        match chance.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randint(1, 16)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 64)]
            case 3:
                data[at : at + chance.randint(0, 8)] = chance.choice(TELLING)
            case 4:
                data[at:at] = chance.randbytes(chance.randint(1, 16))
            case _:
                other = chance.choice(pool)
                data[at:] = other[chance.randint(0, len(other)) :]
    return bytes(data[:LONGEST])
