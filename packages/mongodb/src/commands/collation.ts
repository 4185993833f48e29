import { BsonType } from '../bson/types.ts'
import { entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'

/** @throws MongoError NotImplemented for any collation but the simple one */
export function refuseCollation(collation: Value | undefined): void {
  if (!collation || collation.type !== BsonType.object) return
  for (const [name, value] of entriesOf(collation))
    if (name === 'locale' && value.type === BsonType.string && value.text === 'simple') return
  if (collation.size > 5)
    throw codeError('NotImplemented', 'collation is not supported yet, except {locale: "simple"}')
}
