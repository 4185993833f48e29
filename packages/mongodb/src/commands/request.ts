import { findField } from '../bson/element.ts'
import { isTruthy, numberOf } from '../bson/number.ts'
import { BsonType, isNumber, typeName } from '../bson/types.ts'
import { documentValue, EMPTY_DOCUMENT, elementsOf, entriesOf, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import type { CommandMessage } from '../protocol/message.ts'

// Fields that any command may carry; they are accepted, and what they ask for holds anyway.
const commonFields = new Set([
  '$db',
  '$clusterTime',
  '$readPreference',
  '$configTime',
  '$topologyTime',
  'lsid',
  'txnNumber',
  'stmtId',
  'autocommit',
  'startTransaction',
  'comment',
  'maxTimeMS',
  'maxTimeMSOpOnly',
  'readConcern',
  'writeConcern',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'clientOperationKey',
])

/** A command with its fields by name and type; what it reads is borrowed from the message. */
export class CommandRequest {
  readonly name: string
  readonly database: string
  readonly body: Buffer
  readonly #message: CommandMessage

  constructor(message: CommandMessage) {
    this.#message = message
    this.body = message.body
    const [first] = entriesOf(documentValue(this.body))
    this.name = first?.[0] ?? ''
    const database = this.get('$db')
    if (database && database.type !== BsonType.string)
      throw codeError('TypeMismatch', '$db must be a string')
    this.database = message.database ?? database?.text ?? 'admin'
  }

  get(name: string | Buffer): Value | undefined {
    const key = typeof name === 'string' ? Buffer.from(name) : name
    const element = findField(this.body, 0, key)
    if (element < 0) return undefined
    return new Value(this.body[element]!, this.body, element + 2 + key.length)
  }

  /** The collection that the command's first field names. @throws MongoError InvalidNamespace */
  get collection(): string {
    const value = this.get(this.name)!
    if (value.type !== BsonType.string || value.text === '')
      throw codeError(
        'InvalidNamespace',
        `collection name has invalid type ${typeName(value.type)}`,
      )
    return value.text
  }
  get namespace(): string {
    return `${this.database}.${this.collection}`
  }

  string(name: string): string | undefined {
    return this.#typed(name, BsonType.string, 'string')?.text
  }
  document(name: string): Value | undefined {
    return this.#typed(name, BsonType.object, 'object')
  }
  /** A document, or the empty one where there is none. */
  documentOrEmpty(name: string): Value {
    return this.document(name) ?? documentValue(EMPTY_DOCUMENT)
  }
  array(name: string): Value[] | undefined {
    const value = this.#typed(name, BsonType.array, 'array')
    return value && elementsOf(value)
  }
  bool(name: string): boolean {
    const value = this.get(name)
    if (!value || value.isNullish) return false
    if (value.type !== BsonType.bool && !isNumber(value.type))
      throw this.#mismatch(name, value, "'[bool, long, int, decimal, double]'")
    return isTruthy(value)
  }
  /** A whole number that is not negative. */
  count(name: string): number | undefined {
    const value = this.get(name)
    if (!value || value.isNullish) return undefined
    const number = numberOf(value)
    if (number === undefined) throw this.#mismatch(name, value, "'[long, int, decimal, double]'")
    if (number < 0)
      throw codeError(
        'Location51024',
        `BSON field '${name}' value must be >= 0, actual value '${number}'`,
      )
    return Math.trunc(number)
  }

  /** Documents of a section, or of an array in the body. */
  documents(name: string): readonly Buffer[] {
    const sequence = this.#message.sequences.get(name)
    if (sequence) return sequence
    const values = this.array(name)
    if (!values)
      throw codeError(
        'Location40414',
        `BSON field '${this.name}.${name}' is missing but a required field`,
      )
    return values.map((value) => {
      if (value.type !== BsonType.object) throw this.#mismatch(name, value, "'object'")
      return value.document
    })
  }

  /** A command inside this one, on the same database: what `explain` takes. */
  inner(body: Value): CommandRequest {
    return new CommandRequest({
      ...this.#message,
      body: body.document,
      database: this.database,
    })
  }

  /** Refuses fields that are neither common nor in `known`. @throws MongoError Location40415 */
  checkFields(known: ReadonlySet<string>): void {
    for (const [name] of entriesOf(documentValue(this.body)))
      if (name !== this.name && !known.has(name) && !commonFields.has(name))
        throw codeError('Location40415', `BSON field '${this.name}.${name}' is an unknown field.`)
  }

  #typed(name: string, type: number, expected: string): Value | undefined {
    const value = this.get(name)
    if (!value || value.isNullish) return undefined
    if (value.type !== type) throw this.#mismatch(name, value, `'${expected}'`)
    return value
  }
  #mismatch(name: string, value: Value, expected: string): Error {
    return codeError(
      'TypeMismatch',
      `BSON field '${this.name}.${name}' is the wrong type '${typeName(value.type)}', expected type ${expected}`,
    )
  }
}
