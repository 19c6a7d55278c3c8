#!/usr/bin/env python3
"""Checks a proof of the ledger with nothing of countersign's: src/ledger/PROOF.md, C2SP's documents and RFC 8032, 6962 and 4253 alone.

    verify_proof.py PROOF KEY.pub           prints what holds, and ends with 1 where it does not
    verify_proof.py --flip PROOF KEY.pub    also changes each byte in turn, and wants every such file refused
"""
import base64, hashlib, json, struct, sys

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, I = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)


class Wrong(Exception):
    pass


def want(holds, what):
    if not holds:
        raise Wrong(what)


def point(b):  # RFC 8032, 5.1.3
    y = int.from_bytes(b, "little") & (2**255 - 1)
    want(y < P, "a point")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if x * x % P == x2 else x * I % P
    want(x * x % P == x2, "a point")
    x = P - x if x & 1 != b[31] >> 7 else x
    return (x, y, 1, x * y % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        q, p, n = (add(q, p) if n & 1 else q), add(p, p), n >> 1
    return q


G = point(bytes.fromhex("58" + "66" * 31))


def ed25519(key, message, sig):
    s = int.from_bytes(sig[32:], "little")
    want(len(sig) == 64 and s < L, "a signature")
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    a, b = times(s, G), add(point(sig[:32]), times(h, point(key)))
    want((a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0, "a signature")


def fields(blob):
    while blob:
        size = struct.unpack(">I", blob[:4])[0]
        want(len(blob) >= 4 + size, "a field")
        yield blob[4 : 4 + size]
        blob = blob[4 + size :]


def b64(text):
    raw = base64.b64decode(text, validate=True)
    want(base64.b64encode(raw).decode() == text, "base64")
    return raw


def key_of(line):
    kind, key = fields(b64(line.split()[1]))
    want(kind == b"ssh-ed25519", "a key")
    return key


def included(index, entry, hashes, head):
    """RFC 9162, 2.1.3.2."""
    at, last, hash = index, head["size"] - 1, hashlib.sha256(b"\0" + entry.encode()).digest()
    want(0 <= at <= last, "the entry's number")
    for other in map(b64, hashes):
        want(last > 0, "the proof's length")
        if at & 1 or at == last:
            hash = hashlib.sha256(b"\1" + other + hash).digest()
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            hash = hashlib.sha256(b"\1" + hash + other).digest()
        at, last = at >> 1, last >> 1
    want(last == 0 and hash == head["root"], "the tree has the entry %d" % index)
    return json.loads(entry)


def checkpoint(note):
    text, _, lines = note.partition("\n\n")
    origin, size, root = text.split("\n")
    want(note.endswith("\n") and str(int(size)) == size, "a checkpoint")
    signed = [line[2:].split(" ") for line in lines[:-1].split("\n") if line[:2] == "\u2014 "]
    want(len(signed) == lines.count("\n"), "the note's lines")
    return {"text": text + "\n", "origin": origin, "size": int(size), "root": b64(root), "signed": signed}


def signed_by(head, key):
    own = hashlib.sha256(head["origin"].encode() + b"\n\x01" + key).digest()[:4]
    found = [b64(sig)[4:] for name, sig in head["signed"] if name == head["origin"] and b64(sig)[:4] == own]
    want(found, "the log has signed its checkpoint")
    ed25519(key, head["text"].encode(), found[0])


def approval(record, landed):
    envelope = json.loads(record)
    want(json.dumps(envelope, separators=(",", ":"), ensure_ascii=False) == record, "a record's encoding")
    want(set(envelope) == {"payload", "payloadType", "signatures"}, "a record's keys")
    kind, (signature,) = envelope["payloadType"], envelope["signatures"]
    statement, blob = b64(envelope["payload"]), b64(signature["sig"])
    want("sha256:" + hashlib.sha256(statement).hexdigest() in landed, "an entry names the approval")
    want(blob[:10] == b"SSHSIG\0\0\0\1", "an SSHSIG")
    public, namespace, reserved, hash, inner = fields(blob[10:])
    want((namespace, reserved, hash) == (b"countersign-approval-v1", b"", b"sha512"), "an approval's signature")
    fingerprint = base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")
    want(signature == {"keyid": "SHA256:" + fingerprint, "sig": signature["sig"]}, "a key's name")
    (k1, key), (k2, sig) = fields(public), fields(inner)
    want(k1 == k2 == b"ssh-ed25519", "a key")
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(statement), statement)
    parts = (namespace, reserved, hash, hashlib.sha512(pae).digest())
    ed25519(key, b"SSHSIG" + b"".join(struct.pack(">I", len(p)) + p for p in parts), sig)


def verify(raw, key):
    head, _, note = raw.decode().partition("\n\n")
    first, extra, index, *hashes = head.split("\n")
    want(first == "c2sp.org/tlog-proof@v1" and extra[:6] == "extra " and index[:6] == "index ", "a proof")
    want(str(int(index[6:])) == index[6:], "a number")
    text = b64(extra[6:]).decode()
    extra, main = json.loads(text), checkpoint(note)
    want(json.dumps(extra, separators=(",", ":"), ensure_ascii=False) == text, "the extra data's encoding")
    want(set(extra) <= {"schema", "entry", "more", "approvals", "commit", "later"} and extra["schema"] == 1, "keys")
    entries = [included(int(index[6:]), extra["entry"], hashes, main)]
    for one in extra.get("more", []):
        want(set(one) == {"index", "entry", "proof"}, "keys")
        entries.append(included(one["index"], one["entry"], one["proof"], main))
    updates = [update for entry in entries for update in entry.get("updates", [])]
    if "commit" in extra:
        body = b64(extra["commit"])
        ids = {u["new"] for u in updates} | {i for u in updates for w in u.get("work", []) for i, _ in w["commits"]}
        object = b"commit %d\0" % len(body) + body
        want({hashlib.sha1(object).hexdigest(), hashlib.sha256(object).hexdigest()} & ids, "the commit")
    heads, signers, after = [], [], None
    for later in extra.get("later", []):
        want(set(later) == {"opened", "continues", "checkpoint"}, "keys")
        heads.append((checkpoint(later["checkpoint"]), later))
    for head, later in reversed(heads):
        opened, continues = (included(later[k]["index"], later[k]["entry"], later[k]["proof"], head) for k in ("opened", "continues"))
        want([later[k]["index"] for k in ("opened", "continues")] == [0, 2], "a generation's beginning")
        want(set(later["opened"]) == set(later["continues"]) == {"index", "entry", "proof"}, "keys")
        want(after is None or after == (head["size"], head["root"].hex()), "a generation")
        signers.append((head, key))
        key, after = key_of(opened["key"]), (continues["size"], continues["root"][7:])
    want(after is None or after == (main["size"], main["root"].hex()), "a generation")
    landed = [a["digest"] for u in updates for a in u.get("approvals", [])]
    for record in extra.get("approvals", []):
        approval(record, landed)
    for head, signer in signers + [(main, key)]:
        signed_by(head, signer)
    return main, entries


def refused(raw, key):
    try:
        verify(raw, key)
    except (Wrong, ValueError, KeyError, TypeError, IndexError, struct.error, AttributeError, OverflowError):
        return True
    return False


if __name__ == "__main__":
    *flags, path, public = sys.argv[1:]
    raw, key = open(path, "rb").read(), key_of(open(public).read())
    try:
        main, entries = verify(raw, key)
    except Exception as error:
        sys.exit("does not hold: %r" % error)
    print("%s: %d of %d entries" % (main["origin"], len(entries), main["size"]))
    if flags == ["--flip"]:
        for place in range(len(raw)):
            changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            if not refused(changed, key):
                sys.exit("byte %d can be changed: %r" % (place, raw[max(0, place - 20) : place + 20]))
        print("%d changed files refused" % len(raw))
