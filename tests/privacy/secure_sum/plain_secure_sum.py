"""The secure sum a second time: Python integers and hashlib, from docs/secure-sum.md and the RFCs alone.

Slow and open to timing attacks, which is all right here. Shares nothing with the shipped code: no
numpy, no protobuf, no cryptography.
"""

from __future__ import annotations

import hashlib
import hmac

P = 2**31 - 1


# ChaCha20, Poly1305 and their combination: RFC 8439.


def chacha20_block(key, counter, nonce):
    def rotated(value, bits):
        return (value << bits | value >> 32 - bits) & 0xFFFFFFFF

    def words(data):
        return [int.from_bytes(data[k : k + 4], "little") for k in range(0, len(data), 4)]

    start = [*words(b"expand 32-byte k"), *words(key), counter, *words(nonce)]
    s = start[:]
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for _ in range(10):
        for a, b, c, d in columns + diagonals:
            for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                s[x] = (s[x] + s[y]) & 0xFFFFFFFF
                s[z] = rotated(s[z] ^ s[x], bits)
    return b"".join(((x + y) & 0xFFFFFFFF).to_bytes(4, "little") for x, y in zip(s, start, strict=True))


def chacha20(key, counter, nonce, data):
    blocks = range((len(data) + 63) // 64)
    stream = b"".join(chacha20_block(key, counter + k, nonce) for k in blocks)
    return bytes(x ^ y for x, y in zip(data, stream, strict=False))


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for k in range(0, len(data), 16):
        total = (total + int.from_bytes(data[k : k + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def seal(key, share, header):
    nonce = bytes(12)
    sealed = chacha20(key, 1, nonce, share)
    padded = b"".join(part + bytes(-len(part) % 16) for part in (header, sealed))
    lengths = len(header).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    return sealed + poly1305(chacha20_block(key, 0, nonce)[:32], padded + lengths)


def unseal(key, box, header):
    share = chacha20(key, 1, bytes(12), box[:-16])
    if seal(key, share, header) != box:
        raise ValueError("the box does not open")
    return share


# X25519: RFC 7748, section 5. Ed25519: RFC 8032, section 6.

Q = 2**255 - 19


def x25519(private, public=b"\x09" + bytes(31)):
    k = int.from_bytes(private, "little") & ~7 & (2**255 - 1) | 2**254
    u = int.from_bytes(public, "little") & (2**255 - 1)
    x1, x2, z2, x3, z3 = u, 1, 0, u, 1
    for bit in reversed(range(255)):
        if k >> bit & 1:
            x2, x3, z2, z3 = x3, x2, z3, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % Q, c * b % Q, a * a % Q, b * b % Q
        x3, z3 = (da + cb) ** 2 % Q, x1 * (da - cb) ** 2 % Q
        e = aa - bb
        x2, z2 = aa * bb % Q, e * (aa + 121665 * e) % Q
        if k >> bit & 1:
            x2, x3, z2, z3 = x3, x2, z3, z2
    return (x2 * pow(z2, -1, Q) % Q).to_bytes(32, "little")


D = -121665 * pow(121666, -1, Q) % Q
L = 2**252 + 27742317777372353535851937790883648493
_Y = 4 * pow(5, -1, Q) % Q
_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE = (_X, _Y)


def added(one, other):
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, Q)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, Q)
    return x % Q, y % Q


def times(scalar, point):
    total = (0, 1)
    while scalar:
        if scalar & 1:
            total = added(total, point)
        point, scalar = added(point, point), scalar >> 1
    return total


def packed(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _expanded(private):
    digest = hashlib.sha512(private).digest()
    return int.from_bytes(digest[:32], "little") & ~7 & (2**254 - 1) | 2**254, digest[32:]


def ed25519_public(private):
    return packed(times(_expanded(private)[0], BASE))


def ed25519_sign(private, message):
    scalar, prefix = _expanded(private)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    commitment = packed(times(r, BASE))
    challenge = hashlib.sha512(commitment + packed(times(scalar, BASE)) + message).digest()
    return commitment + ((r + int.from_bytes(challenge, "little") * scalar) % L).to_bytes(32, "little")


def hkdf(secret, salt, info):
    """32 bytes of HKDF-SHA256: RFC 5869."""
    key = hmac.digest(salt, secret, "sha256")
    return hmac.digest(key, info + b"\x01", "sha256")


# The wire: fields of protobuf messages, by number.


def varint(number):
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def encoded(*fields):
    """Fields as (number, value): an int as varint, bytes with their length; a list is repeated."""
    body = b""
    for number, value in fields:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int):
                body += varint(number << 3) + varint(one)
            else:
                body += varint(number << 3 | 2) + varint(len(one)) + one
    return body


# The protocol: docs/secure-sum.md.


def expanded(seed, count):
    values, counter = [], 0
    while len(values) < count:
        block = chacha20_block(seed, counter, bytes(12))
        words = [int.from_bytes(block[k : k + 4], "little") % 2**31 for k in range(0, 64, 4)]
        values += [word for word in words if word != P]
        counter += 1
    return values[:count]


def interpolated(points, at):
    """The value at `at` of the polynomial of degree below len(points) through (x, y)."""
    total = 0
    for x, y in points.items():
        above = below = 1
        for other in points:
            if other != x:
                above, below = above * (at - other), below * (x - other)
        total += y * above * pow(below, -1, P)
    return total % P


def threshold(m, c):
    return min(t for t in range(1, m + 1) if 2 * t > m + c)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def signed(kind, private, content):
    return ed25519_sign(private, b"highstreet/v1/" + kind + b"\0" + content)


def to_values(data):
    return [int.from_bytes(data[k : k + 4], "little") for k in range(0, len(data), 4)]


def to_data(values):
    return b"".join(value.to_bytes(4, "little") for value in values)


def committee_order(ids, *, coop_id, programme_id, round_number, roster_sha256):
    fixed = coop_id.encode() + programme_id.encode() + round_number.to_bytes(4, "big") + roster_sha256
    return sorted(ids, key=lambda one: sha256(b"highstreet/v1/committee\0", fixed, one.encode()))


def committee_sha256(t, members):
    """Members as (id, Ed25519 public key, X25519 public key), in order."""
    listed = b"".join(one.encode() + signing + encryption for one, signing, encryption in members)
    return sha256(b"highstreet/v1/committee-members\0", bytes([t, len(members)]), listed)


def box_key(secret, *, request_sha256, contributor_id, member_id, position, ephemeral, public):
    info = contributor_id.encode() + member_id.encode() + bytes([position]) + ephemeral + public
    return hkdf(secret, request_sha256, b"highstreet/v1/share\0" + info)


def all_shares(integers, seeds, m):
    """Position -> values: seeds expanded below the threshold, interpolated from it on."""
    columns = [expanded(seed, len(integers)) for seed in seeds]
    shares = dict(enumerate(columns, start=1))
    for position in range(len(seeds) + 1, m + 1):
        shares[position] = [
            interpolated({0: v % P, **{x + 1: column[k] for x, column in enumerate(columns)}}, position)
            for k, v in enumerate(integers)
        ]
    return shares


def opened(shares):
    """Position -> values to the centred sum."""
    columns = range(len(next(iter(shares.values()))))
    values = [interpolated({x: share[k] for x, share in shares.items()}, 0) for k in columns]
    return [value - P if value > P // 2 else value for value in values]
