import type { SecureContextOptions, SecureVersion } from 'node:tls'
import { KafkaProtocolError } from '../errors.ts'
import { readTrustedCertificates } from './pkcs12.ts'

/** Kafka's `ssl.*` settings that say whom to show and whom to trust; paths are absolute or relative to the process. */
export interface SslStoreSettings {
  readonly 'ssl.keystore.type'?: string | undefined
  readonly 'ssl.keystore.location'?: string | undefined
  readonly 'ssl.keystore.password'?: string | undefined
  readonly 'ssl.keystore.key'?: string | undefined
  readonly 'ssl.keystore.certificate.chain'?: string | undefined
  readonly 'ssl.key.password'?: string | undefined
  readonly 'ssl.truststore.type'?: string | undefined
  readonly 'ssl.truststore.location'?: string | undefined
  readonly 'ssl.truststore.password'?: string | undefined
  readonly 'ssl.truststore.certificates'?: string | undefined
  /** Comma-separated or a list. */
  readonly 'ssl.enabled.protocols'?: string | readonly string[] | undefined
  readonly 'ssl.cipher.suites'?: string | readonly string[] | undefined
}

/**
 * What Node's TLS takes for Kafka's settings. `readFile` gives the bytes of a file.
 *
 * @throws KafkaProtocolError `KAFKA_PROTOCOL_STORE_INVALID`, with the setting in `fields.key`
 */
export function secureContextOf(
  settings: SslStoreSettings,
  readFile: (file: string) => Buffer,
): SecureContextOptions {
  const read = (key: keyof SslStoreSettings): Buffer => {
    const file = String(settings[key])
    try {
      return readFile(file)
    } catch (cause) {
      throw invalid(key, `${file} cannot be read: ${(cause as Error).message}`)
    }
  }
  return {
    ...keyStore(settings, read),
    ...trustStore(settings, read),
    ...protocols(settings),
    ...ciphers(settings),
  }
}

type Read = (key: keyof SslStoreSettings) => Buffer

function keyStore(settings: SslStoreSettings, read: Read): SecureContextOptions {
  const type = storeType(settings, 'ssl.keystore.type')
  const location = settings['ssl.keystore.location']
  const password = settings['ssl.keystore.password']
  const keyPassword = settings['ssl.key.password']
  const key = settings['ssl.keystore.key']
  const chain = settings['ssl.keystore.certificate.chain']
  if (key !== undefined || chain !== undefined) {
    if (type !== 'PEM') throw invalid('ssl.keystore.key', 'needs ssl.keystore.type=PEM')
    if (key === undefined) throw invalid('ssl.keystore.key', 'is missing beside the chain')
    if (chain === undefined)
      throw invalid('ssl.keystore.certificate.chain', 'is missing beside the key')
    if (location !== undefined)
      throw invalid('ssl.keystore.location', 'cannot stand beside ssl.keystore.key')
    return pemKeyStore(key, chain, 'ssl.keystore.key', keyPassword)
  }
  if (location === undefined) return {}
  const bytes = read('ssl.keystore.location')
  if (type === 'PEM') {
    if (password !== undefined)
      throw invalid('ssl.keystore.password', 'is not for PEM; give ssl.key.password')
    const text = bytes.toString('latin1')
    return pemKeyStore(text, text, 'ssl.keystore.location', keyPassword)
  }
  checkPkcs12(bytes, 'ssl.keystore.location')
  if (password === undefined) throw invalid('ssl.keystore.password', 'is needed')
  return { pfx: bytes, passphrase: password }
}

function pemKeyStore(
  keyText: string,
  chainText: string,
  setting: string,
  passphrase: string | undefined,
): SecureContextOptions {
  const keys = pemEntries(keyText, 'PRIVATE KEY')
  const certificates = pemEntries(chainText, 'CERTIFICATE')
  if (keys.length !== 1) throw invalid(setting, `expected one private key, found ${keys.length}`)
  if (certificates.length === 0) throw invalid(setting, 'holds no certificate')
  return {
    key: keys[0]!,
    cert: certificates.join(''),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

function trustStore(settings: SslStoreSettings, read: Read): SecureContextOptions {
  const type = storeType(settings, 'ssl.truststore.type')
  const certificates = settings['ssl.truststore.certificates']
  const location = settings['ssl.truststore.location']
  if (certificates !== undefined) {
    if (type !== 'PEM')
      throw invalid('ssl.truststore.certificates', 'needs ssl.truststore.type=PEM')
    if (location !== undefined)
      throw invalid('ssl.truststore.location', 'cannot stand beside ssl.truststore.certificates')
    return { ca: trusted(certificates, 'ssl.truststore.certificates') }
  }
  if (location === undefined) return {}
  const bytes = read('ssl.truststore.location')
  if (type === 'PEM') return { ca: trusted(bytes.toString('latin1'), 'ssl.truststore.location') }
  checkPkcs12(bytes, 'ssl.truststore.location')
  const password = settings['ssl.truststore.password']
  if (password === undefined) throw invalid('ssl.truststore.password', 'is needed')
  try {
    return { ca: readTrustedCertificates(bytes, password) }
  } catch (error) {
    throw invalid('ssl.truststore.location', (error as Error).message)
  }
}

function trusted(text: string, setting: string): string[] {
  const found = pemEntries(text, 'CERTIFICATE')
  if (found.length === 0) throw invalid(setting, 'holds no certificate')
  return found
}

/** Kafka's default is JKS, under which Java reads PKCS12 too. */
function storeType(
  settings: SslStoreSettings,
  key: 'ssl.keystore.type' | 'ssl.truststore.type',
): 'PEM' | 'PKCS12' {
  const type = settings[key] ?? 'JKS'
  if (type === 'PEM') return 'PEM'
  if (type === 'PKCS12' || type === 'JKS') return 'PKCS12'
  throw invalid(key, `expected PEM or PKCS12, found ${type}`)
}

function checkPkcs12(bytes: Buffer, key: string): void {
  if (bytes[0] === 0x30) return
  const isJks = bytes.byteLength > 4 && bytes.readUInt32BE(0) === 0xfeedfeed
  throw invalid(
    key,
    isJks
      ? 'is in the format JKS, which only Java reads; convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12'
      : 'is no PKCS12 file; for PEM give the type PEM',
  )
}

/** The entries of one kind, in the form that OpenSSL wants; Kafka's settings often have them on one line. */
function pemEntries(text: string, kind: 'PRIVATE KEY' | 'CERTIFICATE'): string[] {
  const pattern = new RegExp(
    `-----BEGIN ([A-Z0-9 ]*${kind})-----([A-Za-z0-9+/=\\s\\\\]+)-----END \\1-----`,
    'g',
  )
  return [...text.matchAll(pattern)].map(([, label, body]) => {
    const base64 = body!.replaceAll('\\n', '').replaceAll(/[\s\\]/g, '')
    const lines = base64.match(/.{1,64}/g) ?? []
    return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
  })
}

function protocols(settings: SslStoreSettings): SecureContextOptions {
  const enabled = list(settings['ssl.enabled.protocols'])
  if (enabled.length === 0) return { minVersion: 'TLSv1.2' }
  const known: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3']
  const strange = enabled.find((name) => !(known as readonly string[]).includes(name))
  if (strange !== undefined)
    throw invalid('ssl.enabled.protocols', `expected ${known.join(', ')}, found ${strange}`)
  const sorted = enabled.toSorted() as SecureVersion[]
  return { minVersion: sorted[0], maxVersion: sorted.at(-1) }
}

function ciphers(settings: SslStoreSettings): SecureContextOptions {
  const names = list(settings['ssl.cipher.suites'])
  return names.length === 0 ? {} : { ciphers: names.map(opensslCipher).join(':') }
}

/** Java names suites as IANA does; OpenSSL has names of its own for those of TLS 1.2. */
function opensslCipher(name: string): string {
  const match = /^TLS_(ECDHE|DHE)_(RSA|ECDSA)_WITH_(.+)$/.exec(name)
  if (!match) {
    if (/^TLS_(AES|CHACHA20)_/.test(name)) return name
    throw invalid('ssl.cipher.suites', `${name} is not known here`)
  }
  const [, exchange, signature, rest] = match
  const cipher = rest!
    .replace(/^AES_(\d+)_/, 'AES$1_')
    .replace(/^CHACHA20_POLY1305_SHA256$/, 'CHACHA20_POLY1305')
    .replace(/_CBC_/, '_')
    .replaceAll('_', '-')
  return `${exchange}-${signature}-${cipher}`
}

function list(value: string | readonly string[] | undefined): string[] {
  const names = typeof value === 'string' ? value.split(',') : (value ?? [])
  return names.map((name) => name.trim()).filter((name) => name !== '')
}

const invalid = (key: string, what: string): KafkaProtocolError =>
  new KafkaProtocolError('KAFKA_PROTOCOL_STORE_INVALID', `${key}: ${what}`, { fields: { key } })
