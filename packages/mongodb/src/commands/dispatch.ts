import { describeError } from '@khlong/core'
import { type ReplyFields, writeFields } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { entriesOf } from '../bson/value.ts'
import { DocumentWriter } from '../bson/writer.ts'
import { codeError, MongoError } from '../errors.ts'
import type { CommandMessage } from '../protocol/message.ts'
import { aggregateCommands } from './aggregate.ts'
import { authenticationCommands } from './authentication.ts'
import { collectionCommands } from './collections.ts'
import type { ClientConnection, CommandTable, ServerState } from './context.ts'
import { explainCommands } from './explain.ts'
import { findCommands } from './find.ts'
import { findAndModifyCommands } from './find-and-modify.ts'
import { handshakeCommands } from './handshake.ts'
import { indexCommands } from './indexes.ts'
import { settleCatalog } from './matches.ts'
import { CommandRequest } from './request.ts'
import { statisticsCommands } from './statistics.ts'
import { writeCommands } from './write.ts'

const commands: CommandTable = {
  ...handshakeCommands,
  ...authenticationCommands,
  ...findCommands,
  ...writeCommands,
  ...findAndModifyCommands,
  ...aggregateCommands,
  ...collectionCommands,
  ...indexCommands,
  ...statisticsCommands,
  ...explainCommands,
}

/** Answers one command; every error of ours becomes a reply. */
export async function dispatch(
  message: CommandMessage,
  state: ServerState,
  client: ClientConnection,
): Promise<Buffer> {
  let name = ''
  try {
    const request = new CommandRequest(message)
    name = request.name
    const handler = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!handler) throw codeError('CommandNotFound', `no such command: '${name}'`)
    state.counts.command++
    if (!handler.isPublic && state.settings.isAuthorizationOn && !client.user)
      throw codeError('Unauthorized', `Command ${name} requires authentication`)
    refuseTransactions(request)
    if (!handler.takesAll) request.checkFields(handler.fields)
    if (handler.isWrite) checkWriteConcern(request)
    checkReadConcern(request)
    await settleCatalog(state)
    const reply = await handler.run(request, state, client)
    return Buffer.isBuffer(reply) ? reply : okReply(reply)
  } catch (error) {
    if (error instanceof MongoError) return errorReply(error)
    state.logger.error({ command: name, err: describeError(error) }, 'a command failed')
    return errorReply(codeError('InternalError', `command ${name} failed: ${describeError(error)}`))
  }
}

function okReply(fields: ReplyFields): Buffer {
  const writer = new DocumentWriter()
  writeFields(writer.begin(), fields)
  return writer.double('ok', 1).end().take()
}

function errorReply(error: MongoError): Buffer {
  const writer = new DocumentWriter()
  writer.begin().double('ok', 0)
  writeFields(writer, {
    errmsg: error.message,
    code: error.codeNumber,
    codeName: error.codeName,
    ...error.details,
  })
  return writer.end().take()
}

/** Transactions and retryable writes need a replica set, as in MongoDB. */
function refuseTransactions(request: CommandRequest): void {
  if (request.get('txnNumber') || request.get('startTransaction') || request.get('autocommit'))
    throw codeError(
      'IllegalOperation',
      'Transaction numbers are only allowed on a replica set member or mongos',
    )
}

/** @throws MongoError BadValue for more than one acknowledging server */
function checkWriteConcern(request: CommandRequest): void {
  const concern = request.document('writeConcern')
  if (!concern) return
  for (const [name, value] of entriesOf(concern))
    if (name === 'w' && (numberOf(value) ?? 0) > 1)
      throw codeError('BadValue', "cannot use 'w' > 1 when a host is not replicated")
}

function checkReadConcern(request: CommandRequest): void {
  const concern = request.document('readConcern')
  if (!concern) return
  for (const [name, value] of entriesOf(concern))
    if (
      name === 'level' &&
      value.type === BsonType.string &&
      !['local', 'available', 'majority'].includes(value.text)
    )
      throw codeError('InvalidOptions', `read concern level ${value.text} needs a replica set`)
}
