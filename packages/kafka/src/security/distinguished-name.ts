import {
  type DerElement,
  DerTag,
  derChildren,
  derContent,
  readDer,
  readOid,
} from '@khlong/kafka-protocol/security'

/** Attributes that RFC 2253 has names for; others are written by their number. */
const names: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
}

/** Kinds of strings, and how their bytes are read. */
const encodings: Readonly<Record<number, (bytes: Buffer) => string>> = {
  12: (bytes) => bytes.toString('utf8'),
  19: (bytes) => bytes.toString('latin1'),
  20: (bytes) => bytes.toString('latin1'),
  22: (bytes) => bytes.toString('latin1'),
  27: (bytes) => bytes.toString('latin1'),
  30: (bytes) =>
    Buffer.from(bytes.subarray(0, bytes.byteLength & ~1))
      .swap16()
      .toString('utf16le'),
}

/**
 * The subject of a certificate (DER) as Java's `X500Principal.getName()` writes it, which Kafka's names of
 * principals are: RFC 2253, the last part first, `CN=alice,OU=sensors,O=Khlong`.
 *
 * @throws RangeError where the bytes are no certificate
 */
export function subjectOf(certificate: Buffer): string {
  const [body] = derChildren(readDer(certificate)[0], DerTag.sequence)
  const fields = derChildren(body, DerTag.sequence)
  // The version is optional; serial number, signature, issuer and validity stand before the subject.
  const subject = fields[fields[0]?.tag === DerTag.context0 ? 5 : 4]
  return derChildren(subject, DerTag.sequence)
    .reverse()
    .map((relative) => derChildren(relative, DerTag.set).map(attribute).join('+'))
    .join(',')
}

function attribute(element: DerElement): string {
  const [type, value] = derChildren(element, DerTag.sequence)
  const oid = readOid(type)
  const name = names[oid]
  const decode = value && encodings[value.tag]
  if (name === undefined || !value || !decode)
    return `${name ?? oid}=#${value ? value.encoded.toString('hex') : ''}`
  return `${name}=${escaped(decode(derContent(value, value.tag)))}`
}

function escaped(text: string): string {
  return text
    .replaceAll(/[,=+<>#;"\\]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^ +| +$/g, (spaces) => '\\ '.repeat(spaces.length))
}
