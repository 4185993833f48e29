import { BSON, type Document } from 'mongodb'

const keepTypes = {
  promoteValues: false,
  promoteBuffers: false,
  bsonRegExp: true,
  validation: { utf8: false },
} as const

/**
 * A document as the driver sends it on with its very bytes: every type and the order of fields are kept.
 * Undefined where the driver cannot, as with the type `undefined` that MongoDB has given up.
 */
export function exactDocument(raw: Uint8Array): Document | undefined {
  const plain = BSON.deserialize(raw, keepTypes)
  if (isSame(plain, raw)) return plain
  // JavaScript puts keys such as "10" before others; maps keep the order.
  const mapped = mapOf(raw) as unknown as Document
  return isSame(mapped, raw) ? mapped : undefined
}

/** The `_id` of a document, of whatever type. */
export function idOf(raw: Uint8Array): unknown {
  return BSON.deserialize(raw, keepTypes)._id as unknown
}

/** Tells `_id`s apart by type and value. */
export function idKey(id: unknown): string {
  return Buffer.from(BSON.serialize({ _id: id })).toString('latin1')
}

function isSame(document: Document, raw: Uint8Array): boolean {
  try {
    return Buffer.compare(BSON.serialize(document), raw) === 0
  } catch {
    return false
  }
}

function mapOf(raw: Uint8Array): Map<string, unknown> {
  return new Map(elementsOf(raw))
}

const documentType = 3
const arrayType = 4

function elementsOf(raw: Uint8Array): [string, unknown][] {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  return [...BSON.onDemand.parseToElements(raw)].map(
    ([type, nameOffset, nameLength, offset, length]) => {
      const name = bytes.toString('utf8', nameOffset, nameOffset + nameLength)
      const value = bytes.subarray(offset, offset + length)
      if (type === documentType) return [name, mapOf(value)]
      if (type === arrayType) return [name, elementsOf(value).map(([, item]) => item)]
      // One element, in a document of its own.
      const element = bytes.subarray(nameOffset - 1, offset + length)
      const size = Buffer.alloc(4)
      size.writeInt32LE(element.byteLength + 5)
      const alone = Buffer.concat([size, element, Buffer.alloc(1)])
      return [name, BSON.deserialize(alone, keepTypes)[name] as unknown]
    },
  )
}
