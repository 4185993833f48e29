import { createDecipheriv, pbkdf2Sync, X509Certificate } from 'node:crypto'
import { type DerElement, DerTag, derChildren, derContent, readDer, readOid } from './der.ts'

// PKCS #12 (RFC 7292) as far as trust stores go: Node reads such files only where there is a private key in
// them. The encryption is PBES2 (RFC 8018), as keytool writes it since Java 17 and OpenSSL since 3.

const oid = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  pbes2: '1.2.840.113549.1.5.13',
} as const
const digests: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}
const ciphers: Readonly<Record<string, { name: string; keyBytes: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
}
const iterationsMax = 10_000_000

/**
 * The certificates in a PKCS #12 file, as PEM.
 *
 * @throws Error that says what is wrong: the password, the encryption, or the file
 */
export function readTrustedCertificates(file: Buffer, password: string): string[] {
  let certificates: string[]
  try {
    const [, safe] = derChildren(readDer(file)[0], DerTag.sequence)
    const [, wrapped] = derChildren(safe, DerTag.sequence)
    const octets = derContent(derChildren(wrapped, DerTag.context0)[0], DerTag.octetString)
    certificates = derChildren(readDer(octets)[0], DerTag.sequence).flatMap((info) =>
      certificatesIn(safeContents(info, password)),
    )
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new Error(`is no PKCS12 file that can be read: ${cause.message}`, { cause })
  }
  if (certificates.length === 0) throw new Error('holds no certificate')
  return certificates
}

function safeContents(info: DerElement, password: string): Buffer {
  const [type, wrapped] = derChildren(info, DerTag.sequence)
  const [content] = derChildren(wrapped, DerTag.context0)
  switch (readOid(type)) {
    case oid.data:
      return derContent(content, DerTag.octetString)
    case oid.encryptedData: {
      const [, encrypted] = derChildren(content, DerTag.sequence)
      const [, algorithm, bytes] = derChildren(encrypted, DerTag.sequence)
      return decrypt(algorithm, encryptedBytes(bytes), password)
    }
    default:
      return Buffer.alloc(0)
  }
}

/** [0] IMPLICIT OCTET STRING: in one piece, or cut into several. */
function encryptedBytes(element: DerElement | undefined): Buffer {
  return element?.tag === 0x80
    ? element.content
    : Buffer.concat(derChildren(element, DerTag.context0).map(({ content }) => content))
}

function decrypt(algorithm: DerElement | undefined, bytes: Buffer, password: string): Buffer {
  const [scheme, parameters] = derChildren(algorithm, DerTag.sequence)
  if (readOid(scheme) !== oid.pbes2)
    throw new Error(
      `is encrypted in an old way (${readOid(scheme)}); write it anew with Java 17's keytool -importkeystore or openssl 3`,
    )
  const [derivation, encryption] = derChildren(parameters, DerTag.sequence)
  const [, derivationParameters] = derChildren(derivation, DerTag.sequence)
  const [salt, iterations, ...rest] = derChildren(derivationParameters, DerTag.sequence)
  const count = derContent(iterations, DerTag.integer)
  const iterationCount =
    count.byteLength > 4 ? iterationsMax + 1 : count.readUIntBE(0, count.length)
  const prf = rest.find(({ tag }) => tag === DerTag.sequence)
  const digest = prf ? digests[readOid(derChildren(prf, DerTag.sequence)[0])] : 'sha1'
  const [cipherId, iv] = derChildren(encryption, DerTag.sequence)
  const cipher = ciphers[readOid(cipherId)]
  if (!cipher || digest === undefined || iterationCount > iterationsMax)
    throw new Error('is encrypted in a way that is not known here')
  const key = pbkdf2Sync(
    password,
    derContent(salt, DerTag.octetString),
    iterationCount,
    cipher.keyBytes,
    digest,
  )
  try {
    const decipher = createDecipheriv(cipher.name, key, derContent(iv, DerTag.octetString))
    return Buffer.concat([decipher.update(bytes), decipher.final()])
  } catch (cause) {
    throw new Error('has another password', { cause })
  }
}

function certificatesIn(contents: Buffer): string[] {
  if (contents.byteLength === 0) return []
  return derChildren(readDer(contents)[0], DerTag.sequence).flatMap((bag) => {
    const [type, wrapped] = derChildren(bag, DerTag.sequence)
    if (readOid(type) !== oid.certificateBag) return []
    const [, value] = derChildren(derChildren(wrapped, DerTag.context0)[0], DerTag.sequence)
    const [certificate] = derChildren(value, DerTag.context0)
    return [new X509Certificate(derContent(certificate, DerTag.octetString)).toString()]
  })
}
