import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { KafkaProtocolError } from '../errors.ts'

// SCRAM (RFC 5802, RFC 7677), the messages and the arithmetic of both sides. Randomness is passed in.

/** Mechanisms by name: the number of the protocol, the digest, and its length in bytes. */
export const scramMechanisms = {
  'SCRAM-SHA-256': { type: 1, digest: 'sha256', digestBytes: 32 },
  'SCRAM-SHA-512': { type: 2, digest: 'sha512', digestBytes: 64 },
} as const
export type ScramMechanism = keyof typeof scramMechanisms

export const isScramMechanism = (name: string): name is ScramMechanism =>
  Object.hasOwn(scramMechanisms, name)

/** Kafka takes no credential with fewer iterations, nor makes one with more. */
export const scramIterationsMin = 4_096
export const scramIterationsMax = 16_384

/** What a server keeps of a password. */
export interface ScramCredential {
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
  readonly iterations: number
}

/** The password as SCRAM hashes it: 15 ms and more, on purpose. */
export function saltPassword(
  mechanism: ScramMechanism,
  password: string,
  salt: Uint8Array,
  iterations: number,
): Buffer {
  const { digest, digestBytes } = scramMechanisms[mechanism]
  return pbkdf2Sync(password.normalize('NFKC'), salt, iterations, digestBytes, digest)
}

/** What a server keeps, from the salted password. */
export function scramCredential(
  mechanism: ScramMechanism,
  saltedPassword: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): ScramCredential {
  return {
    salt: Buffer.from(salt),
    storedKey: digestOf(mechanism, hmac(mechanism, saltedPassword, 'Client Key')),
    serverKey: hmac(mechanism, saltedPassword, 'Server Key'),
    iterations,
  }
}

/** A credential as Kafka writes it: `salt=…,stored_key=…,server_key=…,iterations=…`, in base64. */
export function formatScramCredential(credential: ScramCredential): string {
  const { salt, storedKey, serverKey, iterations } = credential
  const base64 = (bytes: Buffer): string => bytes.toString('base64')
  return `salt=${base64(salt)},stored_key=${base64(storedKey)},server_key=${base64(serverKey)},iterations=${iterations}`
}

/** Undefined where the text is no credential. */
export function parseScramCredential(text: string): ScramCredential | undefined {
  const match = /^salt=([^,]*),stored_key=([^,]*),server_key=([^,]*),iterations=(\d{1,9})$/.exec(
    text,
  )
  if (!match) return undefined
  const [salt, storedKey, serverKey] = match.slice(1, 4).map((part) => Buffer.from(part, 'base64'))
  return { salt: salt!, storedKey: storedKey!, serverKey: serverKey!, iterations: Number(match[4]) }
}

/** What the last message is checked against. */
interface FirstExchange {
  /** The GS2 header of the client's message. */
  readonly header: string
  /** The message without its header. */
  readonly bare: string
  readonly answer: string
  /** The client's nonce with the server's behind it. */
  readonly nonce: string
}

/** The server's side of one login: two messages of the client, two answers. */
export class ScramServer {
  readonly #mechanism: ScramMechanism
  readonly #serverNonce: string
  readonly #find: (username: string) => ScramCredential | undefined
  readonly #decoySecret: Uint8Array
  #first: FirstExchange | undefined
  #credential: ScramCredential | undefined
  #isKnown = false
  #username = ''
  #isComplete = false

  /**
   * `find` gives a user's credential. One that is not there gets a salt made of `decoySecret`, always the
   * same one, and fails at the end: what is answered does not tell which users exist.
   */
  constructor(options: {
    readonly mechanism: ScramMechanism
    readonly serverNonce: string
    readonly decoySecret: Uint8Array
    find(username: string): ScramCredential | undefined
  }) {
    this.#mechanism = options.mechanism
    this.#serverNonce = options.serverNonce
    this.#decoySecret = options.decoySecret
    this.#find = options.find
  }

  /** Whether the client has proven who it is. */
  get isComplete(): boolean {
    return this.#isComplete
  }
  get username(): string {
    return this.#username
  }

  /** Takes the client's next message and gives the answer. @throws KafkaProtocolError `KAFKA_PROTOCOL_SCRAM_INVALID` */
  next(message: Uint8Array): Buffer {
    if (this.#isComplete) throw invalid('the exchange is complete')
    const text = Buffer.from(message).toString('utf8')
    return Buffer.from(this.#first ? this.#final(text, this.#first) : this.#begin(text))
  }

  #begin(text: string): string {
    const match = clientFirst.exec(text)
    if (!match) throw invalid('the first message of the client')
    const [, header, authorizationId, bare, name, nonce, extensions] = match
    this.#username = unescapeName(name!)
    if (authorizationId && unescapeName(authorizationId) !== this.#username)
      throw invalid('the authorization id is another than the username')
    // Credentials of delegation tokens, of which there are none here.
    const isToken = /(?:^|,)tokenauth=true(?:,|$)/i.test(extensions!)
    const found = isToken ? undefined : this.#find(this.#username)
    this.#isKnown = found !== undefined
    this.#credential = found ?? this.#decoy()
    const { salt, iterations } = this.#credential
    const answer = `r=${nonce}${this.#serverNonce},s=${salt.toString('base64')},i=${iterations}`
    this.#first = {
      header: header!,
      bare: bare!,
      answer,
      nonce: `${nonce}${this.#serverNonce}`,
    }
    return answer
  }

  #final(text: string, first: FirstExchange): string {
    const match = clientFinal.exec(text)
    if (!match) throw invalid('the last message of the client')
    const [, withoutProof, binding, nonce, proofText] = match
    // librdkafka before 2.6.1 writes its own part twice, which Kafka 3.9 lets pass too: the server's part
    // is there and fresh, and the proof covers what was sent.
    if (!nonce!.endsWith(first.nonce)) throw invalid('the nonce is another one')
    if (Buffer.from(binding!, 'base64').toString('utf8') !== first.header)
      throw invalid('the channel binding is another one')
    const { storedKey, serverKey } = this.#credential!
    const proof = Buffer.from(proofText!, 'base64')
    const authMessage = `${first.bare},${first.answer},${withoutProof}`
    const signature = hmac(this.#mechanism, storedKey, authMessage)
    const isRight =
      proof.byteLength === signature.byteLength &&
      timingSafeEqual(digestOf(this.#mechanism, xor(proof, signature)), storedKey)
    if (!isRight || !this.#isKnown) throw invalid('the proof is wrong')
    this.#isComplete = true
    return `v=${hmac(this.#mechanism, serverKey, authMessage).toString('base64')}`
  }

  #decoy(): ScramCredential {
    const { digestBytes } = scramMechanisms[this.#mechanism]
    const salt = hmac(this.#mechanism, this.#decoySecret, this.#username).subarray(0, 20)
    const nothing = Buffer.alloc(digestBytes)
    return { salt, storedKey: nothing, serverKey: nothing, iterations: scramIterationsMin }
  }
}

/** The client's side of one login. */
export class ScramClient {
  readonly #mechanism: ScramMechanism
  readonly #password: string
  readonly #nonce: string
  readonly #bare: string
  #expected: Buffer | undefined

  constructor(options: {
    readonly mechanism: ScramMechanism
    readonly username: string
    readonly password: string
    readonly nonce: string
  }) {
    this.#mechanism = options.mechanism
    this.#password = options.password
    this.#nonce = options.nonce
    const name = options.username.replaceAll('=', '=3D').replaceAll(',', '=2C')
    this.#bare = `n=${name},r=${options.nonce}`
  }

  get firstMessage(): Buffer {
    return Buffer.from(`n,,${this.#bare}`)
  }

  /** The proof that answers the server's challenge. @throws KafkaProtocolError `KAFKA_PROTOCOL_SCRAM_INVALID` */
  finalMessage(serverFirst: Uint8Array): Buffer {
    const text = Buffer.from(serverFirst).toString('utf8')
    const { r: nonce, s: salt, i: iterationText } = attributes(text)
    const iterations = Number(iterationText)
    const isGood = nonce?.startsWith(this.#nonce) && salt !== undefined
    if (!isGood || !(iterations >= scramIterationsMin && iterations <= iterationsMaxOfServer))
      throw invalid("the broker's challenge")
    const salted = saltPassword(
      this.#mechanism,
      this.#password,
      Buffer.from(salt, 'base64'),
      iterations,
    )
    const clientKey = hmac(this.#mechanism, salted, 'Client Key')
    const withoutProof = `c=biws,r=${nonce}`
    const authMessage = `${this.#bare},${text},${withoutProof}`
    const signature = hmac(this.#mechanism, digestOf(this.#mechanism, clientKey), authMessage)
    const serverKey = hmac(this.#mechanism, salted, 'Server Key')
    this.#expected = hmac(this.#mechanism, serverKey, authMessage)
    return Buffer.from(`${withoutProof},p=${xor(clientKey, signature).toString('base64')}`)
  }

  /** Whether the server knows the password too. */
  accepts(serverFinal: Uint8Array): boolean {
    const { v = '' } = attributes(Buffer.from(serverFinal).toString('utf8'))
    const signature = Buffer.from(v, 'base64')
    return (
      this.#expected !== undefined &&
      signature.byteLength === this.#expected.byteLength &&
      timingSafeEqual(signature, this.#expected)
    )
  }
}

/** A server that asks for more wants to keep the client busy. */
const iterationsMaxOfServer = 1_000_000

const name = String.raw`(?:=2C|=3D|[^,=\0])+`
const value = String.raw`[^,\0]+`
const clientFirst = new RegExp(
  `^(n,(?:a=(${name}))?,)((?:m=${value},)?n=(${name}),r=([\\x21-\\x2b\\x2d-\\x7e]+)((?:,[A-Za-z]+=${value})*))$`,
  'u',
)
const clientFinal = new RegExp(
  `^(c=([A-Za-z0-9+/=]+),r=([\\x21-\\x2b\\x2d-\\x7e]+)(?:,[A-Za-z]+=${value})*?),p=([A-Za-z0-9+/=]+)$`,
  'u',
)

const unescapeName = (text: string): string => text.replaceAll('=2C', ',').replaceAll('=3D', '=')

function attributes(text: string): Record<string, string | undefined> {
  const values: Record<string, string | undefined> = {}
  for (const part of text.split(',')) values[part[0] ?? ''] = part.slice(2)
  return values
}

function hmac(mechanism: ScramMechanism, key: Uint8Array, text: string): Buffer {
  return createHmac(scramMechanisms[mechanism].digest, key).update(text).digest()
}

function digestOf(mechanism: ScramMechanism, bytes: Uint8Array): Buffer {
  return createHash(scramMechanisms[mechanism].digest).update(bytes).digest()
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ b[index]!))
}

const invalid = (what: string): KafkaProtocolError =>
  new KafkaProtocolError('KAFKA_PROTOCOL_SCRAM_INVALID', `SCRAM: ${what} is not valid`)
