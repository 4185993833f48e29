import { randomBytes } from 'node:crypto'
import { ElementCursor, findField, int32At } from '../bson/element.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { DOCUMENT_BYTES_MAX } from '../protocol/message.ts'

const ID = Buffer.from('_id')
const process = randomBytes(5)
let counter = randomBytes(3).readUIntBE(0, 3)

/** A fresh ObjectId. */
function newObjectId(): Value {
  const bytes = Buffer.allocUnsafe(12)
  bytes.writeUInt32BE(Math.floor(Date.now() / 1000), 0)
  process.copy(bytes, 4)
  counter = (counter + 1) & 0xffffff
  bytes.writeUIntBE(counter, 9, 3)
  return new Value(BsonType.objectId, bytes, 0)
}

/**
 * A document as it is stored: the bytes given where they begin with `_id`, else with `_id` (its own,
 * `id`, or a fresh one) put first.
 *
 * @throws MongoError BSONObjectTooLarge, InvalidIdField
 */
export function prepareDocument(doc: Buffer, id?: Value): Buffer {
  const prepared = withIdFirst(doc, id)
  if (prepared.length > DOCUMENT_BYTES_MAX)
    throw codeError(
      'BSONObjectTooLarge',
      `object to insert too large. size in bytes: ${prepared.length}, max size: ${DOCUMENT_BYTES_MAX}`,
    )
  return prepared
}

function withIdFirst(doc: Buffer, id: Value | undefined): Buffer {
  const element = findField(doc, 0, ID)
  if (element >= 0) checkId(doc, doc[element]!, element + 5)
  if (element === 4) return doc
  if (element > 0) {
    const value = new Value(doc[element]!, doc, element + 5)
    const end = value.at + value.size
    return Buffer.concat([
      doc.subarray(0, 4),
      doc.subarray(element, end),
      doc.subarray(4, element),
      doc.subarray(end, int32At(doc, 0)),
    ])
  }
  const { type, raw } = id ?? newObjectId()
  const head = Buffer.allocUnsafe(9)
  head.writeInt32LE(doc.length + 5 + raw.length, 0)
  head[4] = type
  head.write('_id\0', 5, 'latin1')
  return Buffer.concat([head, raw, doc.subarray(4)])
}

function checkId(bytes: Buffer, type: number, at: number): void {
  if (type === BsonType.array || type === BsonType.regex || type === BsonType.undefined)
    throw codeError('InvalidIdField', `The '_id' value cannot be of type ${typeName(type)}`)
  if (type !== BsonType.object) return
  const cursor = new ElementCursor(bytes, at)
  while (cursor.next())
    if (bytes[cursor.nameAt] === 0x24)
      throw codeError(
        'DollarPrefixedFieldName',
        `_id fields may not contain '$'-prefixed fields: ${cursor.name} is not valid for storage.`,
      )
}
