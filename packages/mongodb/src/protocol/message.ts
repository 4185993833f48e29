import { crc32c } from '@khlong/core/bytes'
import { ElementCursor, int32At } from '../bson/element.ts'
import { validateDocument } from '../bson/validate.ts'
import { codeError } from '../errors.ts'

// header     int32 length · int32 requestID · int32 responseTo · int32 opCode
// OP_MSG     uint32 flagBits · sections · [uint32 CRC-32C]
//   kind 0   document
//   kind 1   int32 size · cstring identifier · documents
// OP_QUERY   int32 flags · cstring fullCollectionName · int32 skip · int32 return · document
// OP_REPLY   int32 flags · int64 cursorID · int32 startingFrom · int32 count · documents

/** The largest message, header included. */
export const MESSAGE_BYTES_MAX: number = 48_000_000
/** The largest stored document. */
export const DOCUMENT_BYTES_MAX: number = 16 * 1024 * 1024
/** The size of a message header. */
export const HEADER_BYTES = 16

/** The opcodes that are known. */
export const OpCode = { reply: 1, query: 2004, compressed: 2012, message: 2013 } as const

const CHECKSUM_PRESENT = 1
const MORE_TO_COME = 2
const KNOWN_REQUIRED_FLAGS = CHECKSUM_PRESENT | MORE_TO_COME

/** One command as it came. All buffers are borrowed from the message. */
export interface CommandMessage {
  readonly requestId: number
  readonly isLegacy: boolean
  /** The client waits for no reply. */
  readonly isMoreToCome: boolean
  readonly body: Buffer
  /** Documents of kind 1 sections by their identifier. */
  readonly sequences: ReadonlyMap<string, readonly Buffer[]>
  /** The database of an OP_QUERY. */
  readonly database: string | undefined
}

const noSequences: ReadonlyMap<string, readonly Buffer[]> = new Map()

/**
 * Decodes one whole message, header included; every document in it is checked.
 *
 * @throws MongoError ProtocolError, InvalidBSON: the connection is to be closed then.
 */
export function decodeMessage(message: Buffer): CommandMessage {
  const opCode = int32At(message, 12)
  if (opCode === OpCode.message) return decodeOpMsg(message)
  if (opCode === OpCode.query) return decodeOpQuery(message)
  if (opCode === OpCode.compressed)
    throw codeError('ProtocolError', 'OP_COMPRESSED came, but no compressor was negotiated')
  throw codeError('ProtocolError', `opcode ${opCode} is not supported`)
}

function decodeOpMsg(message: Buffer): CommandMessage {
  if (message.length < HEADER_BYTES + 4) throw cutOff()
  const flags = int32At(message, 16)
  if ((flags & 0xffff & ~KNOWN_REQUIRED_FLAGS) !== 0)
    throw codeError('ProtocolError', `OP_MSG has unknown required flags ${flags & 0xffff}`)
  let end = message.length
  if (flags & CHECKSUM_PRESENT) {
    end -= 4
    if (end < HEADER_BYTES + 4) throw cutOff()
    if (crc32c(message.subarray(0, end)) !== message.readUInt32LE(end))
      throw codeError('ProtocolError', 'the checksum of an OP_MSG is wrong')
  }
  let body: Buffer | undefined
  let sequences: Map<string, readonly Buffer[]> | undefined
  let at = HEADER_BYTES + 4
  while (at < end) {
    const kind = message[at++]
    if (kind === 0) {
      if (body) throw codeError('ProtocolError', 'OP_MSG has two bodies')
      const next = validateDocument(message, at, end)
      body = message.subarray(at, next)
      at = next
    } else if (kind === 1) {
      if (end - at < 5) throw cutOff()
      const size = int32At(message, at)
      if (size < 5 || size > end - at) throw cutOff()
      const sectionEnd = at + size
      const nameEnd = message.indexOf(0, at + 4)
      if (nameEnd < 0 || nameEnd >= sectionEnd) throw cutOff()
      const name = message.toString('utf8', at + 4, nameEnd)
      const documents: Buffer[] = []
      at = nameEnd + 1
      while (at < sectionEnd) {
        const next = validateDocument(message, at, sectionEnd)
        documents.push(message.subarray(at, next))
        at = next
      }
      sequences ??= new Map()
      if (sequences.has(name))
        throw codeError('ProtocolError', `OP_MSG has the section ${name} twice`)
      sequences.set(name, documents)
    } else throw codeError('ProtocolError', `OP_MSG has a section of unknown kind ${kind}`)
  }
  if (!body) throw codeError('ProtocolError', 'OP_MSG has no body')
  return {
    requestId: int32At(message, 4),
    isLegacy: false,
    isMoreToCome: (flags & MORE_TO_COME) !== 0,
    body,
    sequences: sequences ?? noSequences,
    database: undefined,
  }
}

function decodeOpQuery(message: Buffer): CommandMessage {
  if (message.length < HEADER_BYTES + 4 + 2 + 8 + 5) throw cutOff()
  const nameEnd = message.indexOf(0, 20)
  if (nameEnd < 0 || nameEnd + 9 > message.length) throw cutOff()
  const name = message.toString('utf8', 20, nameEnd)
  if (!name.endsWith('.$cmd'))
    throw codeError('ProtocolError', 'OP_QUERY is served for the handshake only')
  const at = nameEnd + 9
  let body = message.subarray(at, validateDocument(message, at, message.length))
  // Old drivers wrap the command: {$query: {…}, $readPreference: …}.
  const cursor = new ElementCursor(body, 0)
  if (cursor.next() && (cursor.name === '$query' || cursor.name === 'query') && cursor.type === 3)
    body = body.subarray(cursor.at, cursor.end)
  return {
    requestId: int32At(message, 4),
    isLegacy: true,
    isMoreToCome: false,
    body,
    sequences: noSequences,
    database: name.slice(0, -'.$cmd'.length),
  }
}

/** The message that answers `request`, its parts to be written one behind the other. */
export function encodeReply(
  request: CommandMessage,
  replyId: number,
  document: Buffer,
): readonly [Buffer, Buffer] {
  const head = Buffer.allocUnsafe(request.isLegacy ? HEADER_BYTES + 20 : HEADER_BYTES + 5)
  head.writeInt32LE(head.length + document.length, 0)
  head.writeInt32LE(replyId, 4)
  head.writeInt32LE(request.requestId, 8)
  head.writeInt32LE(request.isLegacy ? OpCode.reply : OpCode.message, 12)
  if (request.isLegacy) {
    head.writeInt32LE(8, 16)
    head.writeBigInt64LE(0n, 20)
    head.writeInt32LE(0, 28)
    head.writeInt32LE(1, 32)
  } else {
    head.writeUInt32LE(0, 16)
    head[20] = 0
  }
  return [head, document]
}

function cutOff(): Error {
  return codeError('ProtocolError', 'a message is cut off')
}
