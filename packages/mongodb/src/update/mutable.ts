import { ElementCursor } from '../bson/element.ts'
import { BsonType } from '../bson/types.ts'
import { NULL, Value } from '../bson/value.ts'
import { DocumentWriter, indexName } from '../bson/writer.ts'
import { codeError } from '../errors.ts'
import { shellText } from '../query/shell-text.ts'

interface Slot {
  name: string
  content: Value | MutableNode
}

const PADDING_MAX = 1_500_000

/**
 * A document or array that is being changed. Only levels that a change goes through are opened;
 * everything else stays the bytes that it was.
 */
export class MutableNode {
  readonly isArray: boolean
  readonly slots: Slot[] = []

  constructor(source?: Value, isArray?: boolean) {
    this.isArray = isArray ?? source?.type === BsonType.array
    if (!source) return
    const cursor = new ElementCursor(source.bytes, source.at)
    while (cursor.next())
      this.slots.push({
        name: cursor.name,
        content: new Value(cursor.type, source.bytes, cursor.at),
      })
  }

  /** The position of a field or element, or -1. */
  find(name: string): number {
    if (this.isArray) {
      const index = /^(?:0|[1-9]\d{0,8})$/.test(name) ? Number(name) : -1
      return index < this.slots.length ? index : -1
    }
    for (let index = 0; index < this.slots.length; index++)
      if (this.slots[index]!.name === name) return index
    return -1
  }
  /** The value of a field; missing where there is none. */
  get(name: string): Value | undefined {
    const slot = this.slots[this.find(name)]
    return slot && currentValue(slot.content)
  }
  /** Sets a field; an array grows to hold its element, with nulls between. */
  set(name: string, value: Value | MutableNode): void {
    const index = this.find(name)
    if (index >= 0) {
      this.slots[index]!.content = value
      return
    }
    if (!this.isArray) {
      this.slots.push({ name, content: value })
      return
    }
    const wanted = Number(name)
    if (wanted - this.slots.length > PADDING_MAX)
      throw codeError('BadValue', `can't backfill more than ${PADDING_MAX} elements`)
    while (this.slots.length < wanted) this.slots.push({ name: '', content: NULL })
    this.slots.push({ name: '', content: value })
  }
  /** Takes a field away; an element of an array becomes null. */
  unset(name: string): boolean {
    const index = this.find(name)
    if (index < 0) return false
    if (this.isArray) this.slots[index]!.content = NULL
    else this.slots.splice(index, 1)
    return true
  }
  /** The document or array of a field, opened; undefined where it is neither. */
  open(name: string): MutableNode | undefined {
    const slot = this.slots[this.find(name)]
    if (!slot) return undefined
    if (slot.content instanceof MutableNode) return slot.content
    const { type } = slot.content
    if (type !== BsonType.object && type !== BsonType.array) return undefined
    const node = new MutableNode(slot.content)
    slot.content = node
    return node
  }
  /**
   * The level that holds the last part of a path; levels that are missing are made where `creates`.
   *
   * @throws MongoError PathNotViable where something that is no document stands in the way.
   */
  parentOf(parts: readonly string[], creates: boolean): MutableNode | undefined {
    let node: MutableNode = this
    for (let index = 0; index < parts.length; index++) {
      const name = parts[index]!
      if (node.isArray && !/^(?:0|[1-9]\d{0,8})$/.test(name)) {
        if (!creates) return undefined
        throw codeError(
          'PathNotViable',
          `Cannot create field '${name}' in element {${parts[index - 1]}: ${shellText(node.encode())}}`,
        )
      }
      if (index === parts.length - 1) return node
      let next = node.open(name)
      if (!next) {
        const blocked = node.get(name)
        if (!creates) return undefined
        if (blocked)
          throw codeError(
            'PathNotViable',
            `Cannot create field '${parts[index + 1]}' in element {${name}: ${shellText(blocked)}}`,
          )
        next = new MutableNode()
        node.set(name, next)
      }
      node = next
    }
    return node
  }

  encode(): Value {
    const writer = new DocumentWriter(512)
    this.#write(writer.begin())
    return new Value(this.isArray ? BsonType.array : BsonType.object, writer.end().take(), 0)
  }

  #write(writer: DocumentWriter): void {
    for (let index = 0; index < this.slots.length; index++) {
      const { name, content } = this.slots[index]!
      const own = this.isArray ? indexName(index) : name
      if (content instanceof MutableNode) {
        if (content.isArray) writer.beginArray(own)
        else writer.beginDocument(own)
        content.#write(writer)
        writer.end()
      } else writer.value(own, content)
    }
  }
}

/** The value of a field as it is now. */
function currentValue(content: Value | MutableNode): Value {
  return content instanceof MutableNode ? content.encode() : content
}
