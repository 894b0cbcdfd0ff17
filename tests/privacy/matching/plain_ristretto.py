"""A second ristretto255 and VOPRF in Python integers, from RFC 9496 and RFC 9497; slow."""

from __future__ import annotations

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
I = pow(2, (P - 1) // 4, P)  # noqa: E741 - the square root of -1
CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"


def is_negative(x):
    return x % P % 2 == 1


def absolute(x):
    return -x % P if is_negative(x) else x % P


def sqrt_ratio(u, v):
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    correct, flipped, flipped_i = check == u % P, check == -u % P, check == -u * I % P
    if flipped or flipped_i:
        r = r * I % P
    return correct or flipped, absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]
SQRT_AD_MINUS_ONE = -sqrt_ratio(-D - 1, 1)[1] % P  # RFC 9496, 4.1: the odd one
IDENTITY = (0, 1, 1, 0)


def decode(encoded):
    s = int.from_bytes(encoded, "little")
    if len(encoded) != 32 or s >= P or is_negative(s):
        return None
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    square, root = sqrt_ratio(1, v * u2 * u2)
    den_x = root * u2
    x, y = absolute(2 * s * den_x), u1 * root * den_x * v % P
    if not square or is_negative(x * y) or y == 0:
        return None
    return x, y, 1, x * y % P


def encode(point):
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0), x0 * y0
    root = sqrt_ratio(1, u1 * u2 * u2)[1]
    den1, den2 = root * u1, root * u2
    z_inverse = den1 * den2 * t0
    x, y, den = x0, y0, den2
    if is_negative(t0 * z_inverse):
        x, y, den = y0 * I, x0 * I, den1 * INVSQRT_A_MINUS_D
    if is_negative(x * z_inverse):
        y = -y
    return absolute(den * (z0 - y)).to_bytes(32, "little")


def add(first, second):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = first, second
    a, b = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * D * t1 * t2, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    total = IDENTITY
    for bit in bin(scalar)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def _map(t):
    r = I * t * t % P
    u, v = (r + 1) * (1 - D * D), (-1 - r * D) * (r + D)
    square, s = sqrt_ratio(u, v)
    if not square:
        s = -absolute(s * t)
    n = (-1 if square else r) * (r - 1) * (D - 1) ** 2 - v
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def from_uniform(uniform):
    halves = (int.from_bytes(uniform[at : at + 32], "little") % 2**255 % P for at in (0, 32))
    return add(*map(_map, halves))


GENERATOR = decode(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))


def expanded(message, separator):
    """expand_message_xmd of RFC 9380, 5.3.1, for 64 bytes of SHA-512, step by step."""
    dst_prime = separator + len(separator).to_bytes(1, "big")
    b0 = hashlib.sha512(b"\x00" * 128 + message + b"\x00\x40" + b"\x00" + dst_prime).digest()
    return hashlib.sha512(b0 + b"\x01" + dst_prime).digest()


def hash_to_scalar(message):
    return int.from_bytes(expanded(message, b"HashToScalar-" + CONTEXT), "little") % L


def sized(*parts):
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def function(key, message):
    """F(k, input) without any blinding."""
    element = multiply(key, from_uniform(expanded(message, b"HashToGroup-" + CONTEXT)))
    return hashlib.sha512(sized(message, encode(element)) + b"Finalize").digest()


def proof_holds(public_key, blinded, evaluated, proof):
    challenge, response = (int.from_bytes(proof[at : at + 32], "little") for at in (0, 32))
    seed = hashlib.sha512(sized(public_key, b"Seed-" + CONTEXT)).digest()
    m, z = IDENTITY, IDENTITY
    for place, (c, d) in enumerate(zip(blinded, evaluated, strict=True)):
        weight = hash_to_scalar(sized(seed) + place.to_bytes(2, "big") + sized(c, d) + b"Composite")
        m, z = add(m, multiply(weight, decode(c))), add(z, multiply(weight, decode(d)))
    t2 = add(multiply(response, GENERATOR), multiply(challenge, decode(public_key)))
    t3 = add(multiply(response, m), multiply(challenge, z))
    transcript = sized(public_key, *map(encode, (m, z, t2, t3))) + b"Challenge"
    return hash_to_scalar(transcript) == challenge
