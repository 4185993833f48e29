// The few pieces of DER (ITU-T X.690) that certificates and revocation lists are made of.

/** Tags of the values that are written here. */
const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** One value: its tag, its length and what it holds. */
export function tagged(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes = length < 0x100 ? [length] : length < 0x1_0000 ? [length >> 8, length & 0xff] : []
  if (bytes.length === 0) throw new RangeError(`a value of ${length} bytes`)
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content])
}

/** Values in their order. */
export const sequence = (...items: Buffer[]): Buffer => tagged(Tag.sequence, ...items)
/** Values of which the order says nothing; one is enough here. */
export const set = (...items: Buffer[]): Buffer => tagged(Tag.set, ...items)
/** Bytes. */
export const octetString = (bytes: Buffer): Buffer => tagged(Tag.octetString, bytes)
/** Text. */
export const utf8 = (text: string): Buffer => tagged(Tag.utf8, Buffer.from(text))
/** True or false. */
export const boolean = (value: boolean): Buffer =>
  tagged(Tag.boolean, Buffer.from([value ? 0xff : 0]))
/** Bits, with all of the last byte used. */
export const bitString = (bytes: Buffer): Buffer => tagged(Tag.bitString, Buffer.from([0]), bytes)
/** Bits by their numbers, as in KeyUsage; the first is 0. */
export function namedBits(...bits: number[]): Buffer {
  const last = Math.max(...bits)
  const bytes = Buffer.alloc((last >> 3) + 1)
  for (const bit of bits) bytes[bit >> 3]! |= 0x80 >> (bit & 7)
  return tagged(Tag.bitString, Buffer.from([7 - (last & 7)]), bytes)
}
/** A value of a tag that its surroundings give a meaning. */
export const contextual = (number: number, ...contents: Buffer[]): Buffer =>
  tagged(0xa0 | number, ...contents)
/** The same for a value that holds no other values. */
export const contextualPlain = (number: number, content: Buffer): Buffer =>
  tagged(0x80 | number, content)

/** A number that is not negative, from its bytes. */
export function integer(value: Buffer | number): Buffer {
  let bytes = typeof value === 'number' ? Buffer.from(hexOf(value), 'hex') : value
  while (bytes.length > 1 && bytes[0] === 0 && bytes[1]! < 0x80) bytes = bytes.subarray(1)
  const isNegative = bytes[0]! >= 0x80
  return tagged(Tag.integer, isNegative ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

const hexOf = (value: number): string => {
  const hex = value.toString(16)
  return hex.length % 2 === 0 ? hex : `0${hex}`
}

/** An object identifier, as `2.5.4.3`. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const septets = [arc & 0x7f]
    for (let left = arc >> 7; left > 0; left >>= 7) septets.unshift(0x80 | (left & 0x7f))
    bytes.push(...septets)
  }
  return tagged(Tag.oid, Buffer.from(bytes))
}

/** A time to the second; years from 2050 have another form (RFC 5280 section 4.1.2.5). */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`
  return at.getUTCFullYear() < 2050
    ? tagged(Tag.utcTime, Buffer.from(text.slice(2)))
    : tagged(Tag.generalizedTime, Buffer.from(text))
}

/** The values inside a value, each whole. */
export function itemsOf(value: Buffer): Buffer[] {
  const items: Buffer[] = []
  const end = value.length
  for (let at = headerBytes(value, 0); at < end; ) {
    const bytes = headerBytes(value, at) + contentBytes(value, at)
    if (at + bytes > end) throw new RangeError('a value is cut')
    items.push(value.subarray(at, at + bytes))
    at += bytes
  }
  return items
}

function headerBytes(value: Buffer, at: number): number {
  const length = value[at + 1] ?? 0
  return length < 0x80 ? 2 : 2 + (length & 0x7f)
}

function contentBytes(value: Buffer, at: number): number {
  const length = value[at + 1] ?? 0
  return length < 0x80 ? length : value.readUIntBE(at + 2, length & 0x7f)
}

/** Bytes as PEM files hold them. */
export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
