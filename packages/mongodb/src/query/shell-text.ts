import { decimalText } from '../bson/decimal.ts'
import { int32At } from '../bson/element.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { entriesOf, type Value } from '../bson/value.ts'

/** A value as MongoDB writes it into messages: `{ a: "text", b: ObjectId('…') }`. */
export function shellText(value: Value): string {
  switch (value.type) {
    case BsonType.double: {
      const number = value.bytes.readDoubleLE(value.at)
      return Number.isInteger(number) && Math.abs(number) < 1e15 ? `${number}.0` : String(number)
    }
    case BsonType.int:
      return String(int32At(value.bytes, value.at))
    case BsonType.long:
      return String(value.long)
    case BsonType.decimal:
      return decimalText(value)
    case BsonType.string:
    case BsonType.symbol:
      return JSON.stringify(value.text)
    case BsonType.object: {
      const fields = [...entriesOf(value)].map(([name, field]) => `${name}: ${shellText(field)}`)
      return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
    }
    case BsonType.array: {
      const elements = [...entriesOf(value)].map(([, element]) => shellText(element))
      return elements.length === 0 ? '[]' : `[ ${elements.join(', ')} ]`
    }
    case BsonType.objectId:
      return `ObjectId('${value.raw.toString('hex')}')`
    case BsonType.bool:
      return String(value.bool)
    case BsonType.date: {
      const { millis } = value
      return Math.abs(millis) <= 8.64e15
        ? `new Date(${millis})`
        : `new Date(${value.long.toString()})`
    }
    case BsonType.null:
    case BsonType.undefined:
    case BsonType.missing:
      return typeName(value.type)
    case BsonType.regex: {
      const { pattern, flags } = value.regex
      return `/${pattern}/${flags}`
    }
    case BsonType.timestamp:
      return `Timestamp(${value.bytes.readUInt32LE(value.at + 4)}, ${value.bytes.readUInt32LE(value.at)})`
    case BsonType.binData:
      return `BinData(${value.bytes[value.at + 4]}, ${value.raw.subarray(5).toString('hex').toUpperCase()})`
    case BsonType.minKey:
      return 'MinKey'
    case BsonType.maxKey:
      return 'MaxKey'
    default:
      return typeName(value.type)
  }
}
