import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { type SslStoreSettings, secureContextOf } from '@khlong/kafka-protocol/security'

// The broker's vectors: see their README.
const vector = (name: string): string =>
  fileURLToPath(new URL(`../../../kafka/test/vectors/tls/${name}`, import.meta.url))
const text = (name: string): string => readFileSync(vector(name), 'utf8')
const context = (settings: SslStoreSettings): tls.SecureContextOptions =>
  secureContextOf(settings, readFileSync)

const oneLine = (pem: string): string => pem.trim().replaceAll('\n', ' ')

const keyStores: Record<string, SslStoreSettings> = {
  'PEM in the settings': {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': text('server.key'),
    'ssl.keystore.certificate.chain': text('server.crt') + text('ca.crt'),
  },
  'PEM on one line': {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': oneLine(text('server.key')),
    'ssl.keystore.certificate.chain': oneLine(text('server.crt')),
  },
  'PEM with the backslashes of a properties file': {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': text('server.key').replaceAll('\n', '\\n'),
    'ssl.keystore.certificate.chain': text('server.crt').replaceAll('\n', ' \\n'),
  },
  'PEM whose key has a password': {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': text('server-encrypted.key'),
    'ssl.keystore.certificate.chain': text('server.crt'),
    'ssl.key.password': 'canal-key',
  },
  'PKCS12 in a file': {
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': vector('server.p12'),
    'ssl.keystore.password': 'canal-store',
  },
  // Java reads it under this name, which is the default, too.
  'PKCS12 under the name of JKS': {
    'ssl.keystore.location': vector('server.p12'),
    'ssl.keystore.password': 'canal-store',
  },
}

for (const [what, settings] of Object.entries(keyStores))
  test(`a key store is read: ${what}`, async () => {
    const server = tls.createServer(context(settings), (socket) => socket.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const { ca } = context({
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': vector('ca.crt'),
    })
    const socket = tls.connect({ port, host: '127.0.0.1', ca })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    assert.match(socket.getPeerX509Certificate()?.subject ?? '', /CN=localhost/)
    socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

test('a trust store of keytool in PKCS12 is read', () => {
  const { ca } = context({
    'ssl.truststore.type': 'PKCS12',
    'ssl.truststore.location': vector('trust.p12'),
    'ssl.truststore.password': 'canal-store',
  })
  const [certificate] = ca as string[]
  assert.equal(
    new X509Certificate(certificate!).fingerprint256,
    new X509Certificate(text('ca.crt')).fingerprint256,
  )
})

const refusals: [string, SslStoreSettings, RegExp][] = [
  [
    'a trust store with another password',
    { 'ssl.truststore.location': vector('trust.p12'), 'ssl.truststore.password': 'wrong' },
    /ssl\.truststore\.location: has another password/,
  ],
  [
    'a store that only Java reads',
    { 'ssl.truststore.location': vector('trust.jks'), 'ssl.truststore.password': 'canal-store' },
    /JKS.*keytool -importkeystore/,
  ],
  [
    'a type that Kafka does not have',
    { 'ssl.keystore.type': 'BKS' },
    /ssl\.keystore\.type: expected PEM or PKCS12, found BKS/,
  ],
  [
    'a key without its certificate',
    { 'ssl.keystore.type': 'PEM', 'ssl.keystore.key': text('server.key') },
    /ssl\.keystore\.certificate\.chain: is missing/,
  ],
  [
    'a file that is not there',
    { 'ssl.keystore.type': 'PEM', 'ssl.keystore.location': vector('none.pem') },
    /ssl\.keystore\.location: .*none\.pem cannot be read/,
  ],
  [
    'PEM without a certificate',
    { 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': vector('server.key') },
    /ssl\.truststore\.location: holds no certificate/,
  ],
  ['an old protocol', { 'ssl.enabled.protocols': 'TLSv1' }, /ssl\.enabled\.protocols: .*TLSv1/],
  ['a strange cipher', { 'ssl.cipher.suites': 'TLS_NULL' }, /ssl\.cipher\.suites: TLS_NULL/],
]
for (const [what, settings, message] of refusals)
  test(`${what} is refused by the name of the setting`, () => {
    assert.throws(() => context(settings), { code: 'KAFKA_PROTOCOL_STORE_INVALID', message })
  })

test("Java's names of cipher suites are OpenSSL's", () => {
  const { ciphers, minVersion, maxVersion } = context({
    'ssl.enabled.protocols': 'TLSv1.2',
    'ssl.cipher.suites':
      'TLS_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256',
  })
  assert.equal(
    ciphers,
    'TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-SHA256',
  )
  for (const name of ciphers!.split(':').slice(1))
    assert.ok(tls.getCiphers().includes(name.toLowerCase()), name)
  assert.deepEqual([minVersion, maxVersion], ['TLSv1.2', 'TLSv1.2'])
})

test('any bytes as a trust store are refused, never more', () => {
  const good = readFileSync(vector('trust.p12'))
  for (let at = 0; at < good.byteLength; at += 7) {
    const damaged = Buffer.from(good)
    damaged[at]! ^= 0x55
    try {
      secureContextOf(
        { 'ssl.truststore.location': 'x', 'ssl.truststore.password': 'canal-store' },
        () => damaged,
      )
    } catch (error) {
      assert.equal((error as { code: string }).code, 'KAFKA_PROTOCOL_STORE_INVALID')
    }
  }
})
