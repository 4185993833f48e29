/** One element of ASN.1's distinguished encoding rules. Bytes are borrowed. */
export interface DerElement {
  /** The identifier octet, class and form included. */
  readonly tag: number
  readonly content: Buffer
  /** The element with its header. */
  readonly encoded: Buffer
}

export const DerTag = {
  integer: 0x02,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  /** [0], explicit or of constructed form. */
  context0: 0xa0,
} as const

/** Reads the elements that lie side by side in `bytes`. @throws RangeError where they are cut off. */
export function readDer(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.byteLength; ) {
    const start = at
    const tag = bytes.readUInt8(at++)
    let length = bytes.readUInt8(at++)
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count === 0 || count > 4) throw new RangeError('a length that DER does not have')
      length = bytes.readUIntBE(at, count)
      at += count
    }
    if (length > bytes.byteLength - at) throw new RangeError('an element is cut off')
    elements.push({
      tag,
      content: bytes.subarray(at, at + length),
      encoded: bytes.subarray(start, at + length),
    })
    at += length
  }
  return elements
}

/** The elements inside of one, which must have this tag. */
export function derChildren(element: DerElement | undefined, tag: number): DerElement[] {
  return readDer(derContent(element, tag))
}

export function derContent(element: DerElement | undefined, tag: number): Buffer {
  if (element?.tag !== tag)
    throw new RangeError(`expected an element of tag ${tag}, found ${element?.tag ?? 'none'}`)
  return element.content
}

/** An object identifier in dots. */
export function readOid(element: DerElement | undefined): string {
  const values: number[] = []
  let value = 0
  for (const byte of derContent(element, DerTag.oid)) {
    value = value * 128 + (byte & 0x7f)
    if (byte & 0x80) continue
    values.push(value)
    value = 0
  }
  // The first value stands for two numbers.
  const [first = 0, ...rest] = values
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - root * 40, ...rest].join('.')
}
