import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import {
  formatScramCredential,
  parseScramCredential,
  ScramClient,
  type ScramMechanism,
  ScramServer,
  saltPassword,
  scramCredential,
} from '@khlong/kafka-protocol/security'
import fc from 'fast-check'

const decoySecret = Buffer.alloc(32, 7)

function makeServer(
  mechanism: ScramMechanism,
  users: Readonly<Record<string, string>>,
  serverNonce = 'server',
  salt: Buffer = Buffer.from('a salt that is fixed'),
): ScramServer {
  return new ScramServer({
    mechanism,
    serverNonce,
    decoySecret,
    find: (name) => {
      const password = users[name]
      if (password === undefined) return undefined
      return scramCredential(mechanism, saltPassword(mechanism, password, salt, 4096), salt, 4096)
    },
  })
}

const invalid = { code: 'KAFKA_PROTOCOL_SCRAM_INVALID' }

test('both sides say what the example of RFC 7677 says', () => {
  const client = new ScramClient({
    mechanism: 'SCRAM-SHA-256',
    username: 'user',
    password: 'pencil',
    nonce: 'rOprNGfwEbeRWgbNEkqO',
  })
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  const nonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const server = makeServer('SCRAM-SHA-256', { user: 'pencil' }, nonce, salt)
  assert.equal(String(client.firstMessage), 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
  const challenge = server.next(client.firstMessage)
  assert.equal(
    String(challenge),
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  )
  const proof = client.finalMessage(challenge)
  assert.equal(
    String(proof),
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  )
  const verifier = server.next(proof)
  assert.equal(String(verifier), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  assert.equal(client.accepts(verifier), true)
  assert.deepEqual([server.isComplete, server.username], [true, 'user'])
})

test('any name and password log in, another password does not', () => {
  // NUL is no character of SCRAM's names.
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(isText)
  fc.assert(
    fc.property(
      fc.constantFrom<ScramMechanism>('SCRAM-SHA-256', 'SCRAM-SHA-512'),
      text,
      text,
      fc.boolean(),
      (mechanism, username, password, isRight) => {
        const server = makeServer(mechanism, { [username]: password })
        const client = new ScramClient({
          mechanism,
          username,
          password: isRight ? password : `${password}!`,
          nonce: 'client',
        })
        const proof = client.finalMessage(server.next(client.firstMessage))
        if (isRight) assert.equal(client.accepts(server.next(proof)), true)
        else assert.throws(() => server.next(proof), invalid)
        assert.equal(server.isComplete, isRight)
      },
    ),
    { numRuns: 30 },
  )
})

const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

test('a user that is not there is told from one that is by nothing before the end', () => {
  const begin = (username: string): { server: ScramServer; client: ScramClient; salt: string } => {
    const server = makeServer('SCRAM-SHA-256', { alice: 'secret' })
    const client = new ScramClient({
      mechanism: 'SCRAM-SHA-256',
      username,
      password: 'secret',
      nonce: 'n',
    })
    const salt = /s=([^,]*),i=4096$/.exec(String(server.next(client.firstMessage)))![1]!
    return { server, client, salt }
  }
  const stranger = begin('bob')
  // Always the same salt: else asking twice would tell.
  assert.equal(begin('bob').salt, stranger.salt)
  assert.notEqual(begin('carol').salt, stranger.salt)
  const proof = stranger.client.finalMessage(Buffer.from(`r=nserver,s=${stranger.salt},i=4096`))
  assert.throws(() => stranger.server.next(proof), invalid)
})

for (const [what, message] of [
  ['nothing', ''],
  ['a channel binding', 'p=tls-unique,,n=user,r=abc'],
  ['a name with a bare equals sign', 'n,,n=a=b,r=abc'],
  ['an authorization id of somebody else', 'n,a=bob,n=user,r=abc'],
  ['a nonce that is empty', 'n,,n=user,r='],
] as const)
  test(`a first message with ${what} is refused`, () => {
    const server = makeServer('SCRAM-SHA-256', { user: 'pencil' })
    assert.throws(() => server.next(Buffer.from(message)), invalid)
  })

test('a proof for another nonce or another binding is refused', () => {
  for (const [from, to] of [
    ['r=clientserver', 'r=clientother1'],
    ['c=biws', 'c=eSws'],
  ] as const) {
    const server = makeServer('SCRAM-SHA-512', { user: 'pencil' })
    const client = new ScramClient({
      mechanism: 'SCRAM-SHA-512',
      username: 'user',
      password: 'pencil',
      nonce: 'client',
    })
    const proof = String(client.finalMessage(server.next(client.firstMessage)))
    assert.ok(proof.includes(from))
    assert.throws(() => server.next(Buffer.from(proof.replace(from, to))), invalid)
    assert.equal(server.isComplete, false)
  }
})

test('a client that writes its nonce twice logs in, as librdkafka before 2.6.1', () => {
  const server = makeServer('SCRAM-SHA-256', { alice: 'alice-secret' }, 'server')
  const challenge = String(server.next(Buffer.from('n,,n=alice,r=client')))
  const withoutProof = 'c=biws,r=clientclientserver'
  const salted = saltPassword(
    'SCRAM-SHA-256',
    'alice-secret',
    Buffer.from('a salt that is fixed'),
    4096,
  )
  const hmac = (key: Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest()
  const clientKey = hmac(salted, 'Client Key')
  const storedKey = createHash('sha256').update(clientKey).digest()
  const signature = hmac(storedKey, `n=alice,r=client,${challenge},${withoutProof}`)
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!))
  server.next(Buffer.from(`${withoutProof},p=${proof.toString('base64')}`))
  assert.equal(server.isComplete, true)
})

test('random bytes are refused, never more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const server = makeServer('SCRAM-SHA-256', {})
      try {
        server.next(bytes)
      } catch (error) {
        assert.equal((error as { code: string }).code, invalid.code)
      }
    }),
  )
})

test('a credential is written as Kafka writes it, and read back', () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  const salted = saltPassword('SCRAM-SHA-256', 'pencil', salt, 4096)
  const text = formatScramCredential(scramCredential('SCRAM-SHA-256', salted, salt, 4096))
  assert.equal(
    text,
    'salt=W22ZaJ0SNY7soEsUEjb6gQ==,stored_key=WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,server_key=wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=,iterations=4096',
  )
  assert.equal(formatScramCredential(parseScramCredential(text)!), text)
  assert.equal(parseScramCredential('producer_byte_rate=1'), undefined)
})
