// Runs every vector through the modules in ui/js/dm, in a page that has their import map. Evaluates to a function of the vectors
// (`{ dm, hpke, x25519, ed25519, aes_gcm, hkdf }`) that answers how many checks there were, and which failed.
async (vectors) => {
  const map = JSON.parse(document.querySelector("script[type=importmap]").textContent)
  const base = map.imports["@hpke/common"].replace("hpke-common.js", "")
  const [bytes, keys, log, message, notebook, safety, file, thread, hpke, alarms] = await Promise.all(
    ["bytes", "keys", "log", "message", "notebook", "safety", "file", "thread", "hpke", "alarms"].map((name) => import(`${base}${name}.js`)),
  )
  const { fromBase64url: un, toBase64url: b64, same, utf8, sha256, join } = bytes
  const { subtle } = crypto
  const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))

  const failed = []
  let checks = 0
  // Objects are the same whatever the order of their fields.
  const sorted = (value) => {
    if (value instanceof Uint8Array) return b64(value)
    return JSON.stringify(value, (_, inner) => (inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner))
  }
  const is = (what, got, wanted) => {
    checks++
    const [one, other] = [sorted(got), sorted(wanted)]
    if (one !== other) failed.push(`${what}: ${String(one).slice(0, 200)} instead of ${String(other).slice(0, 200)}`)
  }
  const refuses = async (what, work, right = () => true) => {
    checks++
    try {
      await work()
      failed.push(`${what}: accepted`)
    } catch (error) {
      if (!right(error)) failed.push(`${what}: ${error}`)
    }
  }
  const section = async (name, work) => {
    try {
      await work()
    } catch (error) {
      failed.push(`${name}: ${error} ${error.stack}`)
    }
  }
  const { dm } = vectors
  const raw = async (privateKey) => new Uint8Array(await subtle.exportKey("raw", privateKey))

  await section("keys", async () => {
    for (const one of dm.keys) {
      const made = await keys.deriveKeys(one.name, un(one.root))
      is(`identity of ${one.name}`, made.identity, un(one.identity))
      is(`signing of ${one.name}`, made.signing, un(one.signing))
      is(`identity's pair`, await raw(made.pair.publicKey), un(one.identity))
      // What can't be read out is compared by what it does.
      const notebookKey = await subtle.importKey("raw", un(one.notebook), "AES-GCM", false, ["decrypt"])
      const iv = bytes.random(12)
      const sealed = await subtle.encrypt({ name: "AES-GCM", iv }, made.notebook, utf8("notebook"))
      is("notebook key", new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv }, notebookKey, sealed)), utf8("notebook"))
      const hide = await subtle.importKey("raw", un(one.hiding), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
      const tag = new Uint8Array(await subtle.sign("HMAC", hide, join("neospace/1 dm hidden\0", new Uint8Array(32))))
      is("hiding key", await keys.hidingTag(made, new Uint8Array(32)), tag)
      is("tag", await keys.isHidingTag([made], tag, new Uint8Array(32)), true)
      is("another tag", await keys.isHidingTag([made], tag, new Uint8Array(32).fill(1)), false)
      for (const key of [made.pair.privateKey, made.sign, made.notebook, made.hide]) is("extractable", key.extractable, false)
    }
  })

  await section("recovery codes", async () => {
    for (const one of dm.recovery_codes) {
      const code = un(one.bytes)
      is("written", await keys.writeCode(code), one.text)
      is("read", await keys.readCode(one.text), code)
      const made = await keys.recoveryKeys(one.name, code)
      is("recovery auth", made.auth, one.auth)
      const wrap = await subtle.importKey("raw", un(one.wrap), "AES-GCM", false, ["decrypt"])
      const iv = bytes.random(12)
      const sealed = await subtle.encrypt({ name: "AES-GCM", iv }, made.key, utf8("x"))
      is("recovery key", new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv }, wrap, sealed)), utf8("x"))
    }
    for (const { typed, bytes: wanted } of dm.recovery_typed) is(`typed ${typed}`, await keys.readCode(typed), un(wanted))
    for (const typed of dm.recovery_bad) is(`typed ${typed}`, await keys.readCode(typed), null)
  })

  await section("wrapped roots", async () => {
    const aes = (key) => subtle.importKey("raw", un(key), "AES-GCM", false, ["encrypt", "decrypt"])
    for (const one of dm.wrapped) {
      const newest = { identity: un(one.identity), signing: un(one.signing) }
      const roots = await keys.unwrapRoots(await aes(one.key), one.kind, one.name, un(one.wrapped), newest)
      is(one.what, roots.map(b64), one.roots)
      const nonce = un(one.wrapped).slice(3, 15)
      is(`${one.what}, wrapped`, await keys.wrapRoots(await aes(one.key), one.kind, one.name, roots, newest, nonce), un(one.wrapped))
    }
    for (const one of dm.wrapped_bad) {
      const newest = { identity: un(one.identity), signing: un(one.signing) }
      const unwrap = async () => keys.unwrapRoots(await aes(one.key), one.kind, one.name, un(one.wrapped), newest)
      await refuses(`wrapped: ${one.what}`, unwrap, ({ code }) => code === "wrapped")
    }
  })

  const checkLog = async (encoded) => {
    const entries = await log.checkEntries({ size: 0, head: new Uint8Array(32), at: 0 }, encoded)
    for (const name of new Set(entries.map(({ name }) => name))) await log.checkName(entries.filter((entry) => entry.name === name))
    return entries
  }
  await section("key log", async () => {
    for (const one of dm.log.entries) {
      is("statement", keys.statement(one.name, one.generation, un(one.identity), un(one.signing)), un(one.statement))
      const entry = log.decodeEntry(un(one.entry))
      is("entry", log.encodeEntry(entry), un(one.entry))
      is("entry's hash", await log.entryHash(un(one.entry)), un(one.hash))
      const root = dm.keys.find(({ identity }) => identity === one.identity)?.root
      if (!root) continue
      is("signature", await keys.signStatement(one.name, one.generation, await keys.deriveKeys(one.name, un(root))), un(one.signature))
    }
    const entries = await checkLog(dm.log.entries.map(({ entry }) => entry))
    is("size", entries.at(-1).index, dm.log.size)
    is("head", entries.at(-1).hash, un(dm.log.head))
    for (const one of dm.log_bad) await refuses(`log: ${one.what}`, () => checkLog(one.entries), ({ code }) => code === one.alarm)
  })

  await section("conversations", async () => {
    for (const one of dm.conversations) {
      is("conversation", await message.conversationId(one.a, one.b), un(one.id))
      is("side", message.inOrder(one.a, one.b)[0] === one.a ? 0 : 1, one.side_of_a)
    }
  })

  const found = async (name, root) => keys.deriveKeys(name, un(root))
  await section("messages", async () => {
    for (const one of dm.messages) {
      const header = un(one.header)
      const { conversation, sender, counter, previous, seen, log: head, from, to, commitment } = message.decodeHeader(header)
      const { fields } = one
      const read = { conversation: b64(conversation), sender, counter, previous: b64(previous), seen: { counter: seen.counter, hash: b64(seen.hash) }, log: { size: head.size, head: b64(head.head) } }
      const { sender_identity, recipient_identity, commitment: committed, ...rest } = fields
      is(`${one.what}: header`, read, rest)
      is(`${one.what}: keys`, [b64(from), b64(to), b64(commitment)], [sender_identity, recipient_identity, committed])
      is(`${one.what}: header again`, message.encodeHeader(message.decodeHeader(header)), header)
      is(`${one.what}: commitment`, await message.commit(un(one.franking_key), utf8(one.body)), un(one.commitment))
      const hash = await message.messageHash(header, await sha256(un(one.recipient)), await sha256(un(one.sender)))
      is(`${one.what}: hash`, hash, un(one.hash))
      const names = { sender: one.from, recipient: one.to }
      const [mine, theirs] = [await found(one.from, one.sender_root), await found(one.to, one.recipient_root)]
      for (const [copy, pair, sealed] of [[message.RECIPIENTS, theirs.pair, one.recipient], [message.SENDERS, mine.pair, one.sender]]) {
        const opened = await message.open(copy, names, pair, header, un(sealed))
        is(`${one.what}: body`, opened.body, utf8(one.body))
        is(`${one.what}: franking key`, opened.key, un(one.franking_key))
      }
      is(`${one.what}: tag`, await keys.hidingTag(mine, hash), un(one.hiding_tags.sender))
      is(`${one.what}: tag`, await keys.hidingTag(theirs, hash), un(one.hiding_tags.recipient))

      // What is sealed here opens, with the same header but for the commitment.
      const place = { counter, previous, seen, log: head }
      const sealed = await message.seal({ name: one.from, keys: mine }, { name: one.to, identity: theirs.identity }, place, utf8(one.body))
      is(`${one.what}: sealed header`, sealed.header.slice(0, 203), header.slice(0, 203))
      const opened = await message.open(message.RECIPIENTS, names, theirs.pair, sealed.header, sealed.recipient)
      is(`${one.what}: sealed and opened`, opened.body, utf8(one.body))
      is(`${one.what}: fresh`, b64(sealed.recipient.slice(0, 32)) === b64(sealed.sender.slice(0, 32)), false)
    }
    for (const one of dm.headers_bad) {
      const right = (error) => (error instanceof message.Unknown ? "version" : error instanceof bytes.Malformed ? "broken" : "") === one.alarm
      await refuses(`header: ${one.what}`, () => message.decodeHeader(un(one.header)), right)
    }
    for (const one of dm.messages_bad) {
      const { pair } = await found(one.to, one.recipient_root)
      const open = () => message.open(message.RECIPIENTS, { sender: one.from, recipient: one.to }, pair, un(one.header), un(one.recipient))
      await refuses(`message: ${one.what}`, open, (error) => error instanceof bytes.Malformed)
    }
  })

  await section("padding and bodies", async () => {
    for (const { body, plain } of dm.padding) {
      if (plain === null) await refuses(`padding ${body}`, () => message.pad(new Uint8Array(body), new Uint8Array(32)))
      else is(`padding ${body}`, message.pad(new Uint8Array(body), new Uint8Array(32)).length, plain)
    }
    for (const one of dm.padded) {
      is("padded", message.pad(un(one.body), un(one.key)), un(one.plain))
      const { body, key } = message.unpad(un(one.plain))
      is("unpadded", [b64(body), b64(key)], [one.body, one.key])
      is("commitment", await message.commit(un(one.key), un(one.body)), un(one.commitment))
    }
    for (const body of dm.bodies_good) is(`body ${body.slice(0, 100)}`, typeof message.readBody(utf8(body)).type, "string")
    for (const body of dm.bodies_bad) await refuses(`body ${body.slice(0, 200)}`, () => message.readBody(utf8(body)), (error) => error instanceof bytes.Malformed)
  })

  await section("notebooks", async () => {
    for (const one of dm.notebooks) {
      const { notebook: key } = await found(one.name, one.root)
      const opened = await notebook.openNotebook(key, one.name, one.version, un(one.notebook))
      const again = await notebook.sealNotebook(key, one.name, one.version, opened)
      is("notebook's length", again.length, one.padded_length + 29)
      const position = ({ counter, hash }) => ({ counter, hash: b64(hash) })
      const pin = ({ identity, signing, ...rest }) => ({ ...rest, identity: b64(identity), signing: b64(signing) })
      const peers = [...opened.peers].map(([name, peer]) => ({ name, ...(peer.pin ? { pin: pin(peer.pin) } : {}), mine: position(peer.mine), theirs: position(peer.theirs) }))
      is("notebook", { log: { size: opened.log.size, head: b64(opened.log.head) }, peers }, one.json)
    }
    for (const one of dm.notebooks_bad) {
      const { notebook: key } = await found(one.name, one.root)
      await refuses(`notebook: ${one.what}`, () => notebook.openNotebook(key, one.name, one.version, un(one.notebook)), (error) => error instanceof bytes.Malformed)
    }
  })

  await section("files", async () => {
    for (const one of dm.files) {
      const plain = Uint8Array.from({ length: one.size }, (_, i) => (7 * i + Math.floor(i / 256) + 3) % 256)
      const { sealed } = await file.sealFile(plain, un(one.key))
      is(`file of ${one.size}`, sealed.length, one.length)
      is(`file of ${one.size}, sealed`, await sha256(sealed), un(one.sha256))
      if (one.sealed) is(`file of ${one.size}, bytes`, sealed, un(one.sealed))
      is(`file of ${one.size}, opened`, same(await file.openFile(un(one.key), one.size, sealed), plain), true)
    }
    for (const one of dm.files_bad) await refuses(`file: ${one.what}`, () => file.openFile(un(one.key), one.size, un(one.sealed)), (error) => error instanceof bytes.Malformed)
    for (const [size, padded] of dm.padme) if (size < 2 ** 31) is(`padmé of ${size}`, file.paddedLength(size), padded)
  })

  await section("safety numbers", async () => {
    for (const { a, b, number, qr } of dm.safety) {
      const party = ({ name, identity, signing }) => ({ name, identity: un(identity), signing: un(signing) })
      const digits = await safety.safetyDigits(party(a), party(b))
      is("groups", digits.map(({ length }) => length), Array(12).fill(5))
      is("safety number", digits.join(""), number)
      is("the other way", (await safety.safetyDigits(party(b), party(a))).join(""), number)
      is("QR", safety.safetyText(a.name, b.name, digits), qr)
      const matrix = await safety.qrMatrix(qr)
      is("QR is square", matrix.every((row) => row.length === matrix.length) && matrix.length > 33, true)
    }
  })

  await section("RFC 9180", async () => {
    const suite = new hpke.CipherSuiteNative({ kem: new hpke.DhkemX25519HkdfSha256(), kdf: new hpke.HkdfSha256Native(), aead: new hpke.Aes256Gcm() })
    for (const one of vectors.hpke.vectors) {
      const recipientKey = await keys.importIdentity(hex(one.skRm))
      is("pkR", await raw(recipientKey.publicKey), hex(one.pkRm))
      const senderPublicKey = await keys.importPublic(hex(one.pkSm))
      const context = await suite.createRecipientContext({ recipientKey, enc: hex(one.enc), senderPublicKey, info: hex(one.info) })
      for (const { ct, aad, pt } of one.encryptions) is("RFC 9180 opens", new Uint8Array(await context.open(hex(ct), hex(aad))), hex(pt))
      const senderKey = await keys.importIdentity(hex(one.skSm))
      const ephemeral = one.skEm ? { ekm: await keys.importIdentity(hex(one.skEm)) } : { ekm: hex(one.sender_seed ?? one.ikmE) }
      const sender = await suite.createSenderContext({ recipientPublicKey: recipientKey.publicKey, senderKey, info: hex(one.info), ...ephemeral })
      is("RFC 9180 enc", new Uint8Array(sender.enc), hex(one.enc))
      for (const { ct, aad, pt } of one.encryptions) is("RFC 9180 seals", new Uint8Array(await sender.seal(hex(pt), hex(aad))), hex(ct))
    }
  })

  await section("Wycheproof X25519", async () => {
    for (const { tests } of vectors.x25519.testGroups) {
      for (const one of tests) {
        const wanted = hex(one.shared)
        const agree = async () => {
          const { privateKey } = await keys.importIdentity(hex(one.private))
          const bits = await subtle.deriveBits({ name: "X25519", public: await keys.importPublic(hex(one.public)) }, privateKey, 256)
          return new Uint8Array(bits)
        }
        if (bytes.isZero(wanted)) {
          await refuses(`x25519 ${one.tcId}`, agree)
          is(`x25519 ${one.tcId} is of low order`, keys.isLowOrder(hex(one.public)), true)
        } else is(`x25519 ${one.tcId}`, await agree(), wanted)
      }
    }
  })

  await section("Wycheproof Ed25519", async () => {
    for (const { publicKey, tests } of vectors.ed25519.testGroups) {
      for (const one of tests) {
        const signature = hex(one.sig)
        const right = signature.length === 64 && (await keys.isSigned(hex(publicKey.pk), signature, hex(one.msg)))
        is(`ed25519 ${one.tcId} ${one.comment}`, right, one.result === "valid")
      }
    }
  })

  await section("Wycheproof AES-GCM", async () => {
    for (const { tests } of vectors.aes_gcm.testGroups) {
      for (const one of tests) {
        const key = await subtle.importKey("raw", hex(one.key), "AES-GCM", false, ["encrypt", "decrypt"])
        const algorithm = { name: "AES-GCM", iv: hex(one.iv), additionalData: hex(one.aad) }
        const sealed = join(hex(one.ct), hex(one.tag))
        if (one.result === "valid") {
          is(`aes-gcm ${one.tcId}`, new Uint8Array(await subtle.encrypt(algorithm, key, hex(one.msg))), sealed)
          is(`aes-gcm ${one.tcId} opens`, new Uint8Array(await subtle.decrypt(algorithm, key, sealed)), hex(one.msg))
        } else await refuses(`aes-gcm ${one.tcId}`, () => subtle.decrypt(algorithm, key, sealed))
      }
    }
  })

  await section("Wycheproof HKDF", async () => {
    for (const { tests } of vectors.hkdf.testGroups) {
      for (const one of tests) {
        const expand = async () => {
          const input = await subtle.importKey("raw", hex(one.ikm), "HKDF", false, ["deriveBits"])
          const algorithm = { name: "HKDF", hash: "SHA-256", salt: hex(one.salt), info: hex(one.info) }
          return new Uint8Array(await subtle.deriveBits(algorithm, input, 8 * one.size))
        }
        if (one.result === "valid") is(`hkdf ${one.tcId}`, await expand(), hex(one.okm))
        else await refuses(`hkdf ${one.tcId}`, expand)
      }
    }
  })

  return { checks, failed }
}
