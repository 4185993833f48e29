import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { int32At } from '../bson/element.ts'
import type { ReplyFields } from '../bson/encode.ts'
import { BsonType } from '../bson/types.ts'
import { getField, Value } from '../bson/value.ts'
import { codeError, MongoError } from '../errors.ts'
import type { UserSettings } from '../options.ts'
import {
  type ClientConnection,
  type CommandTable,
  command,
  type Handler,
  type ServerState,
} from './context.ts'

const ITERATIONS = 15_000
const MECHANISM = 'SCRAM-SHA-256'

interface Secrets {
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

// Derived on a user's first login: the derivation takes some milliseconds on purpose.
const secretsOf = new WeakMap<UserSettings, Secrets>()

function secrets(user: UserSettings): Secrets {
  let found = secretsOf.get(user)
  if (!found) {
    const salt = randomBytes(28)
    const salted = pbkdf2Sync(user.pwd.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256')
    const hmac = (key: Buffer, text: string): Buffer =>
      createHmac('sha256', key).update(text).digest()
    found = {
      salt,
      storedKey: createHash('sha256').update(hmac(salted, 'Client Key')).digest(),
      serverKey: hmac(salted, 'Server Key'),
    }
    secretsOf.set(user, found)
  }
  return found
}

const failed = (): MongoError => codeError('AuthenticationFailed', 'Authentication failed.')

function findUser(state: ServerState, name: string, database: string): UserSettings | undefined {
  return state.settings.users.find(({ user, db }) => user === name && db === database)
}

/** The mechanisms of `database.user`, as `saslSupportedMechs` asks for them; undefined for no such user. */
export function mechanisms(name: string, state: ServerState): string[] | undefined {
  const dot = name.indexOf('.')
  return findUser(state, name.slice(dot + 1), name.slice(0, dot)) ? [MECHANISM] : undefined
}

/**
 * The server's side of SCRAM-SHA-256 (RFC 7677).
 *
 * @throws MongoError AuthenticationFailed
 */
function converse(
  state: ServerState,
  database: string,
  first: Buffer,
): { conversation: NonNullable<ClientConnection['conversation']>; payload: Buffer } {
  const match = /^n,[^,]*,(n=([^,]*),r=([^,]+).*)$/s.exec(first.toString())
  if (!match) throw failed()
  const [, bare, escaped, clientNonce] = match
  const name = escaped!.replaceAll('=2C', ',').replaceAll('=3D', '=')
  const user = findUser(state, name, database)
  if (!user) throw failed()
  const { salt, storedKey, serverKey } = secrets(user)
  const nonce = clientNonce! + randomBytes(24).toString('base64')
  const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${ITERATIONS}`
  let isProven = false
  const next = (payload: Buffer): { payload: Buffer; isDone: boolean; user?: UserSettings } => {
    // An empty message ends the exchange for clients that want one more.
    if (isProven) return { payload: Buffer.alloc(0), isDone: true, user }
    const final = /^(c=([^,]*),r=([^,]*)),p=([^,]*)$/.exec(payload.toString())
    if (!final || final[3] !== nonce || final[2] !== 'biws') throw failed()
    const message = `${bare},${serverFirst},${final[1]}`
    const signature = createHmac('sha256', storedKey).update(message).digest()
    const proof = Buffer.from(final[4]!, 'base64')
    if (proof.length !== signature.length) throw failed()
    const clientKey = Buffer.from(proof.map((byte, index) => byte ^ signature[index]!))
    if (!timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey)) throw failed()
    isProven = true
    const verifier = createHmac('sha256', serverKey).update(message).digest('base64')
    return { payload: Buffer.from(`v=${verifier}`), isDone: true, user }
  }
  return { conversation: { next }, payload: Buffer.from(serverFirst) }
}

function binary(bytes: Buffer): Value {
  const value = Buffer.alloc(bytes.length + 5)
  value.writeInt32LE(bytes.length, 0)
  bytes.copy(value, 5)
  return new Value(BsonType.binData, value, 0)
}

function payloadOf(value: Value | undefined): Buffer {
  if (value?.type === BsonType.string) return Buffer.from(value.text)
  if (value?.type !== BsonType.binData) throw codeError('BadValue', 'payload must be binary')
  return value.bytes.subarray(value.at + 5, value.at + 5 + int32At(value.bytes, value.at))
}

function start(
  document: Buffer,
  database: string,
  state: ServerState,
  client: ClientConnection,
): ReplyFields {
  const mechanism = getField(document, 0, 'mechanism')
  const text = mechanism?.type === BsonType.string ? mechanism.text : ''
  if (text !== MECHANISM)
    throw codeError(
      'MechanismUnavailable',
      `Received authentication for mechanism ${text} which is not enabled; ${MECHANISM} is`,
    )
  const { conversation, payload } = converse(
    state,
    database,
    payloadOf(getField(document, 0, 'payload')),
  )
  client.conversation = conversation
  return { conversationId: 1, done: false, payload: binary(payload) }
}

/** Starts an authentication inside a handshake; one that fails is left out and tried again by the client. */
export function beginConversation(
  document: Value,
  state: ServerState,
  client: ClientConnection,
): ReplyFields | undefined {
  const database = getField(document.bytes, document.at, 'db')
  try {
    return start(
      document.document,
      database?.type === BsonType.string ? database.text : 'admin',
      state,
      client,
    )
  } catch (error) {
    if (error instanceof MongoError) return undefined
    throw error
  }
}

const saslContinue: Handler = (request, _state, client) => {
  const { conversation } = client
  if (!conversation) throw codeError('ProtocolError', 'No SASL session state found')
  try {
    const { payload, user } = conversation.next(payloadOf(request.get('payload')))
    if (user) client.user = { name: user.user, database: user.db }
    return { conversationId: 1, done: true, payload: binary(payload) }
  } catch (error) {
    client.conversation = undefined
    throw error
  }
}

const open = { isPublic: true, takesAll: true }

/** SCRAM-SHA-256. */
export const authenticationCommands: CommandTable = {
  saslStart: command(
    (request, state, client) => start(request.body, request.database, state, client),
    [],
    open,
  ),
  saslContinue: command(saslContinue, [], open),
}
