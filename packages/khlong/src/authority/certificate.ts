import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import net from 'node:net'
import {
  bitString,
  boolean,
  contextual,
  contextualPlain,
  integer,
  itemsOf,
  namedBits,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8,
} from './der.ts'

// X.509 certificates and revocation lists (RFC 5280), as far as a local authority needs them. Node
// makes keys and signatures; what it lacks is only the layout.

const Oid = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  rsaWithSha256: '1.2.840.113549.1.1.11',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

/** What a certificate is for. */
export type CertificateKind = 'authority' | 'server' | 'client'

/** Who signs: the name is the signer's subject in DER. */
export interface Signer {
  readonly name: Buffer
  readonly privateKey: KeyObject
}

/** What a certificate says. */
export interface CertificateFields {
  readonly kind: CertificateKind
  readonly commonName: string
  readonly publicKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
  /** Host names and addresses of a server. */
  readonly hosts?: readonly string[]
}

/** A subject with one organization and one common name. */
export function subjectName(commonName: string, organization = 'Khlong'): Buffer {
  const part = (type: string, text: string): Buffer => set(sequence(oid(type), utf8(text)))
  return sequence(part(Oid.organization, organization), part(Oid.commonName, commonName))
}

/** The subject of a certificate, as it stands in it. */
export function subjectOf(certificate: Buffer): Buffer {
  const [body] = itemsOf(certificate)
  // version, serial number, algorithm, issuer, validity, subject, public key, extensions
  const subject = body && itemsOf(body)[5]
  if (!subject) throw new RangeError('not a certificate of version 3')
  return subject
}

/** Makes a certificate, in DER. */
export function makeCertificate(fields: CertificateFields, signer: Signer): Buffer {
  const { kind, commonName, publicKey, notBefore, notAfter, hosts = [] } = fields
  const body = sequence(
    contextual(0, integer(2)),
    integer(newSerial()),
    signatureAlgorithm(signer),
    signer.name,
    sequence(time(notBefore), time(notAfter)),
    subjectName(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    contextual(3, sequence(...extensionsOf(kind, publicKey, hosts, signer))),
  )
  return signed(body, signer)
}

/** Makes the list of certificates that do not count any more, in DER. */
export function makeRevocationList(
  revoked: readonly { serial: string; at: Date }[],
  number: number,
  thisUpdate: Date,
  nextUpdate: Date,
  signer: Signer,
): Buffer {
  const entries = revoked.map(({ serial, at }) =>
    sequence(integer(Buffer.from(serial, 'hex')), time(at)),
  )
  const body = sequence(
    integer(1),
    signatureAlgorithm(signer),
    signer.name,
    time(thisUpdate),
    time(nextUpdate),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    contextual(
      0,
      sequence(
        extension(Oid.authorityKeyId, sequence(contextualPlain(0, keyId(signer.privateKey)))),
        extension(Oid.crlNumber, integer(number)),
      ),
    ),
  )
  return signed(body, signer)
}

function extensionsOf(
  kind: CertificateKind,
  publicKey: KeyObject,
  hosts: readonly string[],
  signer: Signer,
): Buffer[] {
  const authorityKeyId = sequence(contextualPlain(0, keyId(signer.privateKey)))
  const common = [
    extension(Oid.subjectKeyId, octetString(keyId(publicKey))),
    extension(Oid.authorityKeyId, authorityKeyId),
  ]
  if (kind === 'authority')
    return [
      ...common,
      // It signs others, and none of these may.
      extension(Oid.basicConstraints, sequence(boolean(true), integer(0)), true),
      extension(Oid.keyUsage, namedBits(5, 6), true),
    ]
  const purpose = kind === 'server' ? Oid.serverAuth : Oid.clientAuth
  return [
    ...common,
    extension(Oid.basicConstraints, sequence(), true),
    extension(Oid.keyUsage, namedBits(0), true),
    extension(Oid.extendedKeyUsage, sequence(oid(purpose))),
    ...(hosts.length > 0 ? [extension(Oid.subjectAltName, sequence(...hosts.map(hostName)))] : []),
  ]
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octetString(value))
}

function hostName(host: string): Buffer {
  const address = addressBytes(host)
  return address ? contextualPlain(7, address) : contextualPlain(2, Buffer.from(host))
}

/** The bytes of an IPv4 or IPv6 address; undefined for a name. */
export function addressBytes(host: string): Buffer | undefined {
  if (net.isIPv4(host)) return Buffer.from(host.split('.').map(Number))
  if (!net.isIPv6(host)) return undefined
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(host)
  const last = dotted ? addressBytes(dotted[2]!)!.toString('hex').match(/.{4}/g)!.join(':') : ''
  const [head = '', tail] = (dotted ? dotted[1]! + last : host).split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  const groups = tail === undefined ? before : [...before, ...zeros, ...after]
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** SHA-1 of the public key's bits (RFC 5280 section 4.2.1.2). */
function keyId(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  const [, bits] = itemsOf(publicKey.export({ type: 'spki', format: 'der' }))
  // Behind tag, length and the count of unused bits.
  const start = bits![1]! < 0x80 ? 3 : 3 + (bits![1]! & 0x7f)
  return createHash('sha1').update(bits!.subarray(start)).digest()
}

/** 126 random bits: never negative, never short. */
function newSerial(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes
}

function signatureAlgorithm({ privateKey }: Signer): Buffer {
  return privateKey.asymmetricKeyType === 'rsa'
    ? sequence(oid(Oid.rsaWithSha256), Buffer.from([5, 0]))
    : sequence(oid(Oid.ecdsaWithSha256))
}

function signed(body: Buffer, signer: Signer): Buffer {
  const signature = sign('sha256', body, signer.privateKey)
  return sequence(body, signatureAlgorithm(signer), bitString(signature))
}
