#!/usr/bin/env python3
"""Writes dm.json: test vectors for every derivation and format of docs/direct-messages.md.

This is a third implementation of the protocol, written from the document alone: on Python's hashlib and hmac, and on
X25519, Ed25519 and AES-GCM of the package `cryptography`. HPKE (RFC 9180) is spelled out below. It shares no code with
host/dm/ or ui/js/dm/, both of which are held to what it writes (tests/dm_protocol.rs, tests/dm_vectors.rs).

    python3 tests/vectors/dm.py > tests/vectors/dm.json       # the same bytes every time: nothing here is random
"""
import base64, hashlib, hmac, json, struct
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sha256 = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
mac = lambda key, *parts: hmac.digest(key, b"".join(parts), "sha256")
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
u32 = lambda n: struct.pack(">I", n)
u64 = lambda n: struct.pack(">Q", n)
len8 = lambda text: bytes([len(text)]) + text.encode()
some = lambda what, n=32: (hashlib.shake_256(f"neospace vectors: {what}".encode()).digest(n))  # "random" bytes
ZERO = bytes(32)

# --- HKDF (RFC 5869), HPKE (RFC 9180: mode_auth, DHKEM(X25519, HKDF-SHA-256), HKDF-SHA-256, AES-256-GCM) ---

def expand(prk, info, length):
    out, block, i = b"", b"", 0
    while len(out) < length:
        i += 1
        block = mac(prk, block, info, bytes([i]))
        out += block
    return out[:length]

hkdf = lambda key, info: expand(mac(ZERO, key), info.encode(), 32)

KEM = b"KEM" + struct.pack(">H", 0x0020)
SUITE = b"HPKE" + struct.pack(">HHH", 0x0020, 0x0001, 0x0002)
labeled_extract = lambda suite, salt, label, ikm: mac(salt or ZERO, b"HPKE-v1", suite, label, ikm)
labeled_expand = lambda suite, prk, label, info, n: expand(prk, struct.pack(">H", n) + b"HPKE-v1" + suite + label + info, n)

def private(data): return X25519PrivateKey.from_private_bytes(data)
def public(key): return key.public_key().public_bytes_raw()
def dh(key, other): return key.exchange(X25519PublicKey.from_public_bytes(other))

def derive_private(ikm):
    return private(labeled_expand(KEM, labeled_extract(KEM, b"", b"dkp_prk", ikm), b"sk", b"", 32))

def seal_auth(ephemeral, recipient, sender, info, aad, plain):
    enc = public(ephemeral)
    shared = labeled_extract(KEM, b"", b"eae_prk", dh(ephemeral, recipient) + dh(sender, recipient))
    shared = labeled_expand(KEM, shared, b"shared_secret", enc + recipient + public(sender), 32)
    context = b"\x02" + labeled_extract(SUITE, b"", b"psk_id_hash", b"") + labeled_extract(SUITE, b"", b"info_hash", info)
    secret = labeled_extract(SUITE, shared, b"secret", b"")
    key = labeled_expand(SUITE, secret, b"key", context, 32)
    nonce = labeled_expand(SUITE, secret, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plain, aad), key, nonce

# --- Keys ---

class Identity:
    def __init__(self, name, root):
        self.name, self.root = name, root
        self.secret, self.seed, self.notebook, self.hiding = (
            hkdf(root, f"neospace/1 dm {purpose} {name}") for purpose in ("identity", "signing", "notebook", "hidden"))
        self.x, self.ed = private(self.secret), Ed25519PrivateKey.from_private_bytes(self.seed)
        self.identity, self.signing = public(self.x), public(self.ed)

def statement(name, generation, keys):
    return b"neospace/1 dm keys\0" + len8(name) + u32(generation) + keys.identity + keys.signing

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

def recovery_text(code):
    bits = int.from_bytes(code, "big") << 12 | int.from_bytes(sha256(b"neospace/1 recovery check", code)[:2], "big") >> 4
    letters = "".join(LETTERS[bits >> 5 * i & 31] for i in range(27, -1, -1))
    return "-".join(letters[i:i + 4] for i in range(0, 28, 4))

def wrap(key, kind, nonce, generations, aad_of=None):
    newest, n = aad_of or generations[-1], len(generations)
    aad = b"neospace/1 dm wrapped\0" + bytes([kind, n]) + len8(newest.name) + newest.identity + newest.signing
    return bytes([1, kind, n]) + nonce + AESGCM(key).encrypt(nonce, b"".join(g.root for g in generations), aad)

def entry(index, at, previous, keys, generation, before=None):
    said = statement(keys.name, generation, keys)
    return (b"\x01" + u64(index) + u64(at) + previous + len8(keys.name) + u32(generation) + keys.identity + keys.signing
            + keys.ed.sign(said) + (before.ed.sign(said) if before else bytes(64)))

entry_hash = lambda data: sha256(b"neospace/1 key log\0", data)

# --- Messages ---

def conversation(a, b):
    low, high = sorted([a, b])
    return sha256(b"neospace/1 dm conversation\0", len8(low), len8(high))[:16]

def header(version=1, suite=1, **h):
    data = (bytes([version, suite]) + h["conversation"] + bytes([h["sender"]]) + u64(h["counter"]) + h["previous"]
            + u64(h["seen"][0]) + h["seen"][1] + u64(h["log"][0]) + h["log"][1]
            + h["sender_identity"] + h["recipient_identity"] + h["commitment"])
    assert len(data) == 235
    return data

CLASSES = (256, 1024, 4096, 16384)
def pad(key, body):
    plain = u32(len(body)) + key + body
    return plain.ljust(next(c for c in CLASSES if c >= len(plain)), b"\0")

commit = lambda key, body: mac(key, b"neospace/1 dm frank\0", body)
info = lambda copy, sender, recipient: b"neospace/1 dm\0" + bytes([copy]) + len8(sender) + len8(recipient)
message_hash = lambda head, r, s: sha256(b"neospace/1 dm message\0", head, sha256(r), sha256(s))

def seal(what, sender, recipient, body, counter, previous, seen, log, key_to=None, plain=None, commitment=None, **more):
    franking = some(f"{what}: franking")
    ikms = [some(f"{what}: ephemeral {copy}") for copy in (1, 2)]
    head = header(conversation=conversation(sender.name, recipient.name), sender=int(sender.name > recipient.name),
                  counter=counter, previous=previous, seen=seen, log=log, sender_identity=sender.identity,
                  recipient_identity=recipient.identity, commitment=commitment or commit(franking, body), **more)
    plain = plain or pad(franking, body)
    (r, r_key, r_nonce), (s, s_key, s_nonce) = (
        seal_auth(derive_private(ikm), to.identity, sender.x, info(copy, sender.name, recipient.name), head, plain)
        for ikm, to, copy in ((ikms[0], recipient, 1), (ikms[1], sender, 2)))
    digest = message_hash(head, r, s)
    return dict(sender=sender, recipient=recipient, body=body, franking=franking, head=head, r=r, s=s, hash=digest,
                shown={"what": what, "from": sender.name, "to": recipient.name, "sender_root": b64(sender.root),
                       "recipient_root": b64(recipient.root), "body": body.decode("utf-8", "replace"),
                       "franking_key": b64(franking), "commitment": b64(head[-32:]), "header": b64(head),
                       "ephemeral_ikm": [b64(i) for i in ikms], "recipient": b64(r), "sender": b64(s),
                       "aes_key": [b64(r_key), b64(s_key)], "aes_nonce": [b64(r_nonce), b64(s_nonce)], "hash": b64(digest),
                       "hiding_tags": {"sender": b64(mac(sender.hiding, b"neospace/1 dm hidden\0", digest)),
                                       "recipient": b64(mac(recipient.hiding, b"neospace/1 dm hidden\0", digest))}})

def notebook(keys, version, nonce, data):
    text = json.dumps(data, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 1024) * 1024)
    aad = b"neospace/1 dm notebook\0" + len8(keys.name) + u64(version)
    return text, b"\x01" + nonce + AESGCM(keys.notebook).encrypt(nonce, text, aad)

# --- Files ---

def padme(size):
    if size <= 256: return 256
    e = size.bit_length() - 1
    s = e.bit_length()                      # ⌊log2 e⌋ + 1
    step = 1 << (e - s)
    return -(-size // step) * step

def file_seal(key, plain):
    plain = plain.ljust(padme(len(plain)), b"\0")
    chunks = [plain[i:i + 65536] for i in range(0, len(plain), 65536)]
    nonce = lambda i: bytes(7) + bytes([i == len(chunks) - 1]) + u32(i)
    return b"\x01" + b"".join(AESGCM(key).encrypt(nonce(i), c, b"neospace/1 dm file\0") for i, c in enumerate(chunks))

pattern = lambda size: bytes((7 * i + i // 256 + 3) % 256 for i in range(size))

def safety(a, b):
    def digits(keys):
        data = hashlib.pbkdf2_hmac("sha512", keys.identity + keys.signing, f"neospace/1 dm safety {keys.name}".encode(), 5200, 30)
        return "".join("%05d" % (int.from_bytes(data[i:i + 5], "big") % 100000) for i in range(0, 30, 5))
    low, high = sorted([a, b], key=lambda keys: keys.name)
    return digits(low) + digits(high)

# --- The vectors ---

def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]

def main():
    out = {"about": [
        "Test vectors for docs/direct-messages.md. Bytes are base64url without padding; alarms are the document's words.",
        "Written by tests/vectors/dm.py, an implementation on Python's hashlib and hmac and the package cryptography that",
        "shares no code with host/dm/ and ui/js/dm/. Whoever changes a format changes it there, and runs it again.",
        "HPKE of dm.py was held to RFC 9180's own vectors (third-party/hpke.json)."]}
    ana1, ana2 = Identity("ana", some("root of ana, 1")), Identity("ana", some("root of ana, 2"))
    bob = Identity("bob", some("root of bob"))
    proto, long = Identity("__proto__", some("root of proto")), Identity("a-name-of-24-letters_0123"[:24], some("root of long"))
    zero = Identity("ana", bytes(32))

    out["keys"] = [{"name": i.name, "root": b64(i.root), "identity_private": b64(i.secret), "identity": b64(i.identity),
                    "signing_seed": b64(i.seed), "signing": b64(i.signing), "notebook": b64(i.notebook), "hiding": b64(i.hiding)}
                   for i in (ana1, ana2, bob, proto, long, zero)]

    codes = [(some("recovery code", 16), "ana"), (bytes(16), "bob"), (b"\xff" * 16, "ana"), (bytes(range(16)), long.name)]
    out["recovery_codes"] = [{"bytes": b64(c), "text": recovery_text(c), "name": n,
                              "wrap": b64(hkdf(c, f"neospace/1 dm recovery {n}")), "auth": b64(hkdf(c, f"neospace/1 recover {n}"))}
                             for c, n in codes]
    text, zeros = recovery_text(codes[0][0]), recovery_text(codes[1][0])
    out["recovery_typed"] = [{"typed": t, "bytes": b64(codes[n][0])} for t, n in (
        (text.lower(), 0), (text.replace("-", ""), 0), (text.replace("-", " "), 0), (f"  {text} ", 0),
        (zeros.replace("0", "O"), 1), (zeros.replace("0", "o").lower(), 1),
        (recovery_text(codes[3][0]).replace("1", "I"), 3), (recovery_text(codes[3][0]).replace("1", "l"), 3))]
    swapped = list(text)
    at = next(i for i in range(27) if swapped[i] != swapped[i + 1] and "-" not in swapped[i:i + 2])
    swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
    out["recovery_bad"] = ["", "-", text[:-1], text + "0", text[:-1] + ("0" if text[-1] != "0" else "1"), "".join(swapped),
                           "U" + text[1:], text[:-1] + "!", "é" + text[1:], zeros[:-4] + "0000", "０" + text[1:]]

    wrap_key, recovery_key = some("wrap key"), hkdf(codes[0][0], "neospace/1 dm recovery ana")
    def wrapping(key, kind, generations, why, data=None, name=None, newest=None):
        data = data or wrap(key, kind, some(f"wrapped: {why}", 12), generations)
        newest = newest or generations[-1]
        return {"what": why, "key": b64(key), "kind": kind, "name": name or newest.name, "identity": b64(newest.identity),
                "signing": b64(newest.signing), "wrapped": b64(data), "roots": [b64(g.root) for g in generations]}
    many = [Identity("ana", some(f"root of ana, generation {i}")) for i in range(16)]
    good = wrapping(wrap_key, 1, [ana1, ana2], "two roots by the password")
    out["wrapped"] = [wrapping(wrap_key, 1, [ana1], "one root by the password"), good,
                      wrapping(recovery_key, 2, [ana1, ana2], "two roots by the recovery code"),
                      wrapping(wrap_key, 1, many, "sixteen roots")]
    raw = wrap(wrap_key, 1, some("wrapped: bad", 12), [ana1, ana2])
    two = [ana1, ana2]
    out["wrapped_bad"] = [wrapping(*a, **k) for a, k in (
        ((some("another key"), 1, two, "another key", raw), {}), ((wrap_key, 2, two, "kind 2 expected", raw), {}),
        ((wrap_key, 1, two, "another name", raw), {"name": "anna"}), ((wrap_key, 1, two, "keys of the log are older", raw), {"newest": ana1}),
        ((wrap_key, 1, two, "somebody else's", wrap(wrap_key, 1, some("w", 12), [bob])), {}),
        ((wrap_key, 1, two, "roots in another order", wrap(wrap_key, 1, some("w", 12), [ana2, ana1])), {}),
        ((wrap_key, 1, two, "roots that aren't the keys' they name", wrap(wrap_key, 1, some("w", 12), [ana2, ana1], ana2)), {}),
        ((wrap_key, 1, two, "version 2", b"\x02" + raw[1:]), {}), ((wrap_key, 1, two, "kind 3", flip(flip(raw, 1), 1)[:1] + b"\x03" + raw[2:]), {}),
        ((wrap_key, 1, two, "no roots", raw[:2] + b"\0" + raw[3:]), {}), ((wrap_key, 1, two, "17 roots", raw[:2] + b"\x11" + raw[3:]), {}),
        ((wrap_key, 1, two, "one byte less", raw[:-1]), {}), ((wrap_key, 1, two, "one byte more", raw + b"\0"), {}),
        ((wrap_key, 1, two, "nothing", b"\x01"), {}), ((wrap_key, 1, two, "a flipped bit", flip(raw, 40)), {}),
        ((wrap_key, 1, two, "a flipped nonce", flip(raw, 5)), {}))]

    at, log, head = 1_790_000_000_000, [], ZERO
    for keys, generation, before in ((ana1, 1, None), (bob, 1, None), (proto, 1, None), (ana2, 2, ana1)):
        at += 1000
        data = entry(len(log) + 1, at, head, keys, generation, before)
        head = entry_hash(data)
        log.append((data, head, {"index": len(log) + 1, "at": at, "name": keys.name, "generation": generation,
                    "identity": b64(keys.identity), "signing": b64(keys.signing), "statement": b64(statement(keys.name, generation, keys)),
                    "signature": b64(data[-128:-64]), "previous_signature": b64(data[-64:]), "entry": b64(data), "hash": b64(head)}))
    out["log"] = {"entries": [shown for _, _, shown in log], "size": len(log), "head": b64(head)}
    e, h = [data for data, _, _ in log], [digest for _, digest, _ in log]
    at0 = 1_790_000_001_000
    evil = Identity("bob", some("root of the server"))
    order = 2**255 - 19
    low = [n.to_bytes(32, "little") for n in (0, 1, order - 1, order, order + 1,
           325606250916557431795983626356110631294008115727848805560023387167927233504,
           39382357235489614581723060781553021112529911719440698176882885853963445705823)]
    def low_order(identity):
        class Keys: name, ed, signing = "bob", evil.ed, evil.signing
        Keys.identity = identity
        return entry(2, at0 + 1000, h[0], Keys, 1)
    def unsigned(data): return data[:-128] + bytes(64) + data[-64:]
    # alarm: what appending them in turn, or asking for every member's entries afterwards, answers.
    bad = lambda what, alarm, *entries: {"what": what, "entries": [b64(x) for x in entries], "alarm": alarm}
    out["log_bad"] = [
        bad("an entry is left out", "log_fork", e[0], e[2]), bad("an entry twice", "log_fork", e[0], e[0]),
        bad("begins with the second", "log_fork", e[1]), bad("another entry before", "log_fork", entry(1, at0, ZERO, bob, 1), e[1]),
        bad("first names one before it", "log_fork", entry(1, at0, h[0], ana1, 1)),
        bad("time goes back", "log_broken", e[0], entry(2, at0 - 1, h[0], bob, 1)),
        bad("version 2", "log_broken", b"\x02" + e[0][1:]), bad("one byte more", "log_broken", e[0] + b"\0"),
        bad("one byte less", "log_broken", e[0][:-1]), bad("nothing", "log_broken", b""),
        bad("a name with capitals", "log_broken", e[0].replace(b"\x03ana", b"\x03Ana")),
        bad("a name of two letters", "log_broken", e[0].replace(b"\x03ana", b"\x02an")),
        bad("not signed", "log_broken", unsigned(e[0])), bad("signed for another name", "log_broken", e[0].replace(b"\x03ana", b"\x03bob")),
        bad("a flipped signature", "log_broken", flip(e[0], len(e[0]) - 70)),
        bad("begins with generation 2", "log_broken", entry(1, at0, ZERO, ana2, 2, ana1)),
        bad("generation 1 twice", "log_broken", e[0], entry(2, at0, h[0], ana2, 1)),
        bad("generation 3 after 1", "log_broken", e[0], entry(2, at0, h[0], ana2, 3, ana1)),
        bad("a successor that the old keys didn't sign", "log_broken", e[0], entry(2, at0, h[0], ana2, 2)),
        bad("a successor signed by others", "log_broken", e[0], entry(2, at0, h[0], ana2, 2, evil)),
        bad("a first one with a previous signature", "log_broken", entry(1, at0, ZERO, ana1, 1, ana2)),
        *[bad(f"identity key of low order {i}", "log_broken", e[0], low_order(point)) for i, point in enumerate(low)]]

    out["conversations"] = [{"a": a, "b": b, "side_of_a": int(a > b), "id": b64(conversation(a, b))} for a, b in (
        ("ana", "bob"), ("bob", "ana"), ("ana", "anab"), ("ana_", "ana-"), ("__proto__", "constructor"), (long.name, "zed"))]

    log_head = (3, h[2])
    text_body = lambda text, **more: json.dumps({"type": "text", "at": 1_790_000_010_000, "text": text, **more},
                                                separators=(",", ":"), ensure_ascii=False).encode()
    m1 = seal("the first", ana1, bob, text_body("Hello, Bob. – Grüße ✂"), 1, ZERO, (0, ZERO), log_head)
    m2 = seal("an answer", bob, ana1, text_body("Hello!", reply={"of": "theirs", "counter": 1}), 1, ZERO, (1, m1["hash"]), log_head)
    f_key = some("file key")
    m3 = seal("with a file", ana1, bob, text_body("", files=[{"id": "f-7", "key": b64(f_key), "size": 300, "name": "a drawing.png",
              "type": "image/png", "width": 10, "height": 20}]), 2, m1["hash"], (1, m2["hash"]), log_head)
    m4 = seal("an edit", ana1, bob, b'{"type":"edit","at":1790000020000,"target":1,"text":"Hello, Bob!"}', 3, m3["hash"], (1, m2["hash"]), log_head)
    m5 = seal("a removal", ana1, bob, b'{"type":"delete","at":1790000030000,"targets":[1,3]}', 4, m4["hash"], (1, m2["hash"]), log_head)
    m6 = seal("of an unknown kind", bob, ana1, b'{"type":"wave","at":1,"hands":[2,{"left":true}]}', 2, m2["hash"], (4, m5["hash"]), log_head)
    m7 = seal("by new keys, 4,000 characters", ana2, bob, text_body("✂" * 4000), 5, m5["hash"], (2, m6["hash"]), (4, h[3]))
    messages = [m1, m2, m3, m4, m5, m6, m7]
    out["messages"] = [m["shown"] for m in messages]
    for m, log_now, seen in zip(messages, [log_head] * 6 + [(4, h[3])], [None] * 7):
        d = m["head"]
        m["shown"]["fields"] = {"conversation": b64(d[2:18]), "sender": d[18], "counter": int.from_bytes(d[19:27], "big"),
            "previous": b64(d[27:59]), "seen": {"counter": int.from_bytes(d[59:67], "big"), "hash": b64(d[67:99])},
            "log": {"size": int.from_bytes(d[99:107], "big"), "head": b64(d[107:139])},
            "sender_identity": b64(d[139:171]), "recipient_identity": b64(d[171:203]), "commitment": b64(d[203:235])}

    H = m1["head"]
    bad = lambda what, alarm, data: {"what": what, "alarm": alarm, "header": b64(data)}
    H2 = m3["head"]
    out["headers_bad"] = [bad("version 0", "version", b"\0" + H[1:]), bad("version 2", "version", b"\2" + H[1:]),
        bad("suite 0", "version", H[:1] + b"\0" + H[2:]), bad("suite 2", "version", H[:1] + b"\2" + H[2:]),
        bad("sender 2", "broken", H[:18] + b"\2" + H[19:]), bad("counter 0", "broken", H[:19] + u64(0) + H[27:]),
        bad("a hash before the first", "broken", H[:27] + some("x") + H[59:]), bad("no hash before the second", "broken", H2[:27] + ZERO + H2[59:]),
        bad("seen nothing with a hash", "broken", H[:67] + some("x") + H[99:]), bad("seen something without", "broken", H2[:67] + ZERO + H2[99:]),
        bad("a log without a head", "broken", H[:107] + ZERO + H[139:]), bad("no log with a head", "broken", H[:99] + u64(0) + H[107:]),
        bad("one byte less", "broken", H[:-1]), bad("one byte more", "broken", H + b"\0"), bad("nothing", "broken", b""),
        bad("one byte", "broken", b"\1"), bad("version and suite alone", "broken", b"\1\1"), bad("another version, short", "version", b"\7\1")]

    # What the recipient of the first message must refuse to open.
    fr = m1["franking"]
    def altered(what, head=None, copy=None, **k):
        return {"what": what, "alarm": "broken", "from": "ana", "to": "bob", "recipient_root": b64(bob.root), "header": b64(head or H), "recipient": b64(copy or m1["r"]), **k}
    body1 = m1["body"]
    resealed = lambda what, **k: altered(what, (x := seal(what, ana1, bob, k.pop("body", body1), 1, ZERO, (0, ZERO), log_head, **k))["head"], x["r"])
    padded = pad(fr, body1)
    out["messages_bad"] = [altered(f"flipped {what}", flip(H, at)) for what, at in (
        ("conversation", 2), ("counter", 20), ("log size", 106), ("log head", 107), ("sender identity", 139),
        ("recipient identity", 171), ("commitment", 234))] + [
        altered("flipped sender", H[:18] + b"\1" + H[19:]),
        altered("flipped encapsulated key", copy=flip(m1["r"], 0)), altered("flipped ciphertext", copy=flip(m1["r"], 40)),
        altered("flipped tag", copy=flip(m1["r"], len(m1["r"]) - 1)), altered("the sender's copy", copy=m1["s"]),
        altered("one byte less", copy=m1["r"][:-1]), altered("one byte more", copy=m1["r"] + b"\0"), altered("32 bytes", copy=m1["r"][:32]),
        altered("nothing but a byte", copy=b"\0"), *[altered(f"encapsulated key of low order {i}", copy=p + m1["r"][32:]) for i, p in enumerate(low)],
        altered("other names", **{"from": "anna"}), altered("another message's copy", copy=m4["r"]),
        resealed("a commitment to something else", commitment=some("x")),
        resealed("a body that says more than there is", plain=u32(300) + padded[4:]),
        resealed("a body of all there is and a byte", plain=u32(221) + padded[4:]),
        resealed("padding that isn't zeros", plain=padded[:-1] + b"\1"),
        resealed("padded to more than it needs", plain=padded.ljust(1024, b"\0")),
        resealed("padded to no class", plain=padded + b"\0" * 16),
        resealed("a body that isn't JSON", body=b"{"), resealed("a body that isn't UTF-8", body=b'{"type":"text","at":1,"text":"\xff"}')]

    out["padding"] = [{"body": b, "plain": p} for b, p in ((0, 256), (220, 256), (221, 1024), (988, 1024), (989, 4096), (4060, 4096),
                      (4061, 16384), (16348, 16384), (16349, None))]
    out["padded"] = [{"key": b64(fr), "body": b64(body1), "plain": b64(padded), "commitment": b64(commit(fr, body1))}]

    F = {"id": "f-7", "key": b64(f_key), "size": 300, "name": "a drawing.png", "type": "image/png"}
    T = {"type": "text", "at": 1, "text": "x"}
    dumps = lambda value, **k: json.dumps(value, separators=(",", ":"), **k)
    nested = lambda n: '{"type":"text","at":1,"text":"x","x":' + "[" * n + "]" * n + "}"
    out["bodies_good"] = [dumps(b) if not isinstance(b, str) else b for b in (T, {**T, "text": "x" * 4000},
        {**T, "text": "a\tb\nc"}, {**T, "text": "", "files": [F]}, {**T, "files": [F] * 8}, {**T, "at": 0}, {**T, "at": 2**53 - 1},
        {**T, "more": None}, {**T, "reply": {"of": "mine", "counter": 2**53 - 1}}, {**T, "files": [{**F, "width": 16384, "height": 1, "more": 1}]},
        {**T, "files": [{**F, "name": "n" * 200, "size": 20 << 20}]}, {**T, "files": [{**F, "size": 0}]}, {**T, "files": []}, {**T, "text": "<b>&amp;\u2028"},
        {"type": "edit", "at": 1, "target": 1, "text": "y"}, {"type": "delete", "at": 1, "targets": [1]},
        {"type": "delete", "at": 1, "targets": list(range(1, 65))}, {"type": "wave"}, {"type": ""}, {"type": "__proto__", "x": {}},
        '{"type":"text","at":1.0,"text":"x"}', '{"type":"text","at":1e3,"text":"x"}', '{"text":"x","at":1,"type":"text"}',
        ' {"type" : "text", "at":1,\n"text":"x"} ', '{"type":"text","at":1,"text":"one","text":"two"}', '{"type":"text","at":"x","at":1,"text":"x"}',
        '{"type":"text","at":1,"text":"\\ud83d\\ude00"}', nested(7))]
    out["bodies_bad"] = [dumps(b) if not isinstance(b, str) else b for b in ("", "{", "[]", "null", "1", '"text"', "{}", {"at": 1, "text": "x"}, {**T, "type": 1},
        {**T, "type": None}, {**T, "text": ""}, {**T, "text": "x" * 4001}, {**T, "text": "😀" * 4001}, {**T, "text": "a\u0000b"}, {**T, "text": "a\rb"},
        {**T, "text": "\u007f"}, {**T, "text": "\u0085"}, {**T, "text": 1}, {**T, "text": None}, {"type": "text", "at": 1}, {"type": "text", "text": "x"},
        {**T, "at": -1}, {**T, "at": 2**53}, {**T, "at": 1.5}, {**T, "at": "1"}, {**T, "at": None}, {**T, "reply": {"of": "ours", "counter": 1}},
        {**T, "reply": {"of": "mine", "counter": 0}}, {**T, "reply": {"of": "mine"}}, {**T, "reply": 1}, {**T, "files": [F] * 9}, {**T, "files": F},
        {**T, "files": [{**F, "id": ""}]}, {**T, "files": [{**F, "id": "../x"}]}, {**T, "files": [{**F, "id": "x" * 65}]}, {**T, "files": [{**F, "id": 7}]},
        {**T, "files": [{**F, "key": b64(f_key)[:-1]}]}, {**T, "files": [{**F, "key": b64(f_key) + "="}]}, {**T, "files": [{**F, "key": b64(f_key[:31])}]},
        {**T, "files": [{**F, "size": -1}]}, {**T, "files": [{**F, "size": (20 << 20) + 1}]}, {**T, "files": [{**F, "name": ""}]}, {**T, "files": [{**F, "name": "n" * 201}]},
        {**T, "files": [{**F, "name": "a/b"}]}, {**T, "files": [{**F, "name": "a\\b"}]}, {**T, "files": [{**F, "name": "a\nb"}]}, {**T, "files": [{**F, "name": "gnp\u202e.exe"}]},
        {**T, "files": [{**F, "name": "a\u2066b"}]}, {**T, "files": [{**F, "name": "a\u061cb"}]}, {**T, "files": [{**F, "type": ""}]}, {**T, "files": [{**F, "type": "é"}]},
        {**T, "files": [{**F, "type": "x" * 101}]}, {**T, "files": [{**F, "width": 16385}]}, {**T, "files": [{**F, "height": 1.5}]},
        {"type": "edit", "at": 1, "target": 0, "text": "y"}, {"type": "edit", "at": 1, "target": 1, "text": ""}, {"type": "edit", "at": 1, "text": "y"},
        {"type": "delete", "at": 1, "targets": []}, {"type": "delete", "at": 1, "targets": [0]}, {"type": "delete", "at": 1, "targets": list(range(1, 66))},
        {"type": "delete", "at": 1, "targets": 1}, {"type": "delete", "at": 1, "target": 1},
        '\ufeff{"type":"text","at":1,"text":"x"}', '{"type":"text","at":1,"text":"x"}{}', '{"type":"text","at":1,"text":"\\ud800"}',
        '{"type":"text","at":01,"text":"x"}', "{'type':'text'}", nested(8))]
    # nested(7): the body's own braces and seven brackets are eight.

    pin = lambda keys, index, generation, **k: {"index": index, "generation": generation, "identity": b64(keys.identity),
                                                "signing": b64(keys.signing), "compared": False, "after": 0, **k}
    position = lambda counter, digest: {"counter": counter, "hash": b64(digest)}
    empty = {"log": {"size": 0, "head": b64(ZERO)}, "peers": []}
    full = {"log": {"size": 4, "head": b64(h[3])}, "peers": [
        {"name": "bob", "pin": pin(bob, 2, 1, compared=True), "mine": position(5, m7["hash"]), "theirs": position(2, m6["hash"])},
        {"name": "__proto__", "pin": pin(proto, 3, 1, after=4), "mine": position(0, ZERO), "theirs": position(7, some("x"))}]}
    out["notebooks"] = []
    for keys, version, data in ((ana1, 1, empty), (ana2, 2, full)):
        text, sealed = notebook(keys, version, some(f"notebook {version}", 12), data)
        out["notebooks"].append({"name": keys.name, "root": b64(keys.root), "version": version, "json": data, "padded_length": len(text), "notebook": b64(sealed)})
    nb = notebook(ana1, 1, some("notebook", 12), empty)[1]
    inner = lambda text: b"\1" + some("nn", 12) + AESGCM(ana1.notebook).encrypt(some("nn", 12), text, b"neospace/1 dm notebook\0" + len8("ana") + u64(1))
    bad = lambda what, data, **k: {"what": what, "name": "ana", "root": b64(ana1.root), "version": 1, "notebook": b64(data), **k}
    out["notebooks_bad"] = [bad("another version", nb, version=2), bad("another name", nb, name="anna"), bad("other keys", nb, root=b64(ana2.root)),
        bad("version byte 2", b"\2" + nb[1:]), bad("a flipped bit", flip(nb, 50)), bad("one byte less", nb[:-1]), bad("nothing", b"\1"),
        bad("not padded", inner(dumps(empty).encode())), bad("not JSON", inner(b"{".ljust(1024))), bad("another shape", inner(b"[]".ljust(1024))),
        bad("a name that is none", inner(dumps({**empty, "peers": [{"name": "A", "mine": position(0, ZERO), "theirs": position(0, ZERO)}]}).encode().ljust(1024)))]

    sizes = [0, 1, 255, 256, 257, 300, 65535, 65536, 65537, 131072, 200000]
    out["files"] = []
    for size in sizes:
        key = some(f"file of {size}")
        sealed = file_seal(key, pattern(size))
        out["files"].append({"key": b64(key), "size": size, "length": len(sealed), "sha256": b64(sha256(sealed)),
                             **({"sealed": b64(sealed)} if size <= 300 else {})})
    out["files_about"] = "Byte i of a file's plain bytes is (7 i + i div 256 + 3) mod 256; the larger ones are given by SHA-256 of what is sealed."
    key = some("file of 300")
    sealed = file_seal(key, pattern(300))
    bad = lambda what, size, data: {"what": what, "key": b64(key), "size": size, "sealed": b64(data)}
    nonce = lambda last: bytes(7) + bytes([last]) + u32(0)
    out["files_bad"] = [bad("version 2", 300, b"\2" + sealed[1:]), bad("another size class", 400, sealed), bad("a size within what isn't zeros", 299, sealed),
        bad("one byte less", 300, sealed[:-1]), bad("one byte more", 300, sealed + b"\0"), bad("nothing", 300, b""), bad("a flipped bit", 300, flip(sealed, 9)),
        bad("not marked as the last", 300, b"\1" + AESGCM(key).encrypt(nonce(0), pattern(300).ljust(padme(300), b"\0"), b"neospace/1 dm file\0")),
        bad("not padded", 300, b"\1" + AESGCM(key).encrypt(nonce(1), pattern(300), b"neospace/1 dm file\0"))]
    out["padme"] = [[n, padme(n)] for n in (0, 1, 255, 256, 257, 258, 263, 264, 265, 272, 300, 511, 512, 513, 1000, 1024, 1025, 4095, 4096, 4097,
                    65535, 65536, 65537, 100000, 1 << 20, (1 << 20) + 1, 9999999, 20 << 20)]

    out["safety"] = [{"a": {"name": a.name, "identity": b64(a.identity), "signing": b64(a.signing)},
                      "b": {"name": b.name, "identity": b64(b.identity), "signing": b64(b.signing)}, "number": safety(a, b),
                      "qr": "neospace safety 1 " + " ".join(sorted([a.name, b.name])) + " " + safety(a, b)}
                     for a, b in ((ana1, bob), (bob, ana1), (ana2, bob), (proto, ana1), (long, bob))]
    print(json.dumps(out, indent=1, ensure_ascii=False))

def check_hpke(path):
    """Holds seal_auth above to RFC 9180's own vector for the suite."""
    un = bytes.fromhex
    for v in json.load(open(path))["vectors"]:
        first = v["encryptions"][0]
        assert public(derive_private(un(v["ikmR"]))) == un(v["pkRm"])
        sealed, _, _ = seal_auth(private(un(v["skEm"])), un(v["pkRm"]), private(un(v["skSm"])), un(v["info"]), un(first["aad"]), un(first["pt"]))
        assert sealed == un(v["enc"]) + un(first["ct"])

if __name__ == "__main__":
    import os
    check_hpke(os.path.join(os.path.dirname(os.path.abspath(__file__)), "third-party", "hpke.json"))
    main()
