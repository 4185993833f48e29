import { arch, cpus, hostname, platform, release, totalmem } from 'node:os'
import { encodeDocument, type ReplyFields } from '../bson/encode.ts'
import { BsonType } from '../bson/types.ts'
import { doubleValue, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { DOCUMENT_BYTES_MAX, MESSAGE_BYTES_MAX } from '../protocol/message.ts'
import { beginConversation, mechanisms } from './authentication.ts'
import { type CommandTable, command, type Handler, type ServerState } from './context.ts'

/** The release whose commands and replies this server follows. */
export const SERVER_VERSION = '7.0.0'
const WIRE_VERSION_MAX = 21
const versionArray = [7, 0, 0, 0]

const hello: Handler = (request, state, client) => {
  const isLegacy = request.name !== 'hello'
  const wanted = request.get('saslSupportedMechs')
  const speculative = request.document('speculativeAuthenticate')
  const start = speculative && beginConversation(speculative, state, client)
  return {
    ...(request.get('helloOk') && { helloOk: true }),
    ...(isLegacy ? { ismaster: true } : { isWritablePrimary: true }),
    topologyVersion: undefined,
    maxBsonObjectSize: DOCUMENT_BYTES_MAX,
    maxMessageSizeBytes: MESSAGE_BYTES_MAX,
    maxWriteBatchSize: 100_000,
    localTime: new Date(state.clock.nowMs()),
    logicalSessionTimeoutMinutes: 30,
    connectionId: client.id,
    minWireVersion: 0,
    maxWireVersion: WIRE_VERSION_MAX,
    readOnly: false,
    ...(wanted?.type === BsonType.string && { saslSupportedMechs: mechanisms(wanted.text, state) }),
    ...(start && { speculativeAuthenticate: start }),
  }
}

const buildInfo: Handler = () => ({
  version: SERVER_VERSION,
  gitVersion: 'khlong',
  modules: [],
  allocator: 'system',
  javascriptEngine: 'none',
  sysInfo: 'deprecated',
  versionArray,
  openssl: { running: 'none', compiled: 'none' },
  buildEnvironment: { target_arch: arch(), target_os: platform() },
  bits: 64,
  debug: false,
  maxBsonObjectSize: DOCUMENT_BYTES_MAX,
  storageEngines: ['lmdb'],
})

const hostInfo: Handler = (_request, state) => ({
  system: {
    currentTime: new Date(state.clock.nowMs()),
    hostname: hostname(),
    cpuAddrSize: 64,
    memSizeMB: Math.round(totalmem() / 2 ** 20),
    memLimitMB: Math.round(totalmem() / 2 ** 20),
    numCores: cpus().length,
    cpuArch: arch(),
    numaEnabled: false,
  },
  os: { type: platform(), name: platform(), version: release() },
  extra: {},
})

const connectionStatus: Handler = (request, _state, client) => ({
  authInfo: {
    authenticatedUsers: client.user ? [{ user: client.user.name, db: client.user.database }] : [],
    authenticatedUserRoles: client.user ? [{ role: 'root', db: 'admin' }] : [],
    ...(request.bool('showPrivileges') && { authenticatedUserPrivileges: [] }),
  },
})

const getParameter: Handler = (request, state) => {
  const parameters: Readonly<Record<string, ReplyFields[string]>> = {
    featureCompatibilityVersion: { version: SERVER_VERSION.slice(0, 3) },
    ttlMonitorEnabled: state.settings.isTtlOn,
    ttlMonitorSleepSecs: state.settings.ttlSeconds,
    cursorTimeoutMillis: state.settings.cursorTimeoutMs,
    authenticationMechanisms: ['SCRAM-SHA-256'],
  }
  const wanted = request.get('getParameter')!
  if (wanted.type === BsonType.string && wanted.text === '*') return parameters
  const found: Record<string, ReplyFields[string]> = {}
  for (const name in parameters) if (request.get(name)) found[name] = parameters[name]
  if (Object.keys(found).length === 0) throw codeError('InvalidOptions', 'no option found to get')
  return found
}

const getLog: Handler = (request) => {
  const name = request.string('getLog')
  if (name === '*') return { names: ['global', 'startupWarnings'] }
  if (name !== 'global' && name !== 'startupWarnings')
    throw codeError('OperationFailed', `No log named '${name}'`)
  return { totalLinesWritten: 0, log: [] }
}

function serverStatus(state: ServerState): ReplyFields {
  const { counts, catalog, cursors, engine } = state
  const uptime = (state.clock.nowMs() - state.startedMs) / 1000
  const memory = process.memoryUsage()
  const network = state.network()
  return {
    host: hostname(),
    version: SERVER_VERSION,
    process: 'khlong mongodb',
    pid: BigInt(process.pid),
    uptime: doubleValue(Math.floor(uptime)),
    uptimeMillis: BigInt(Math.round(uptime * 1000)),
    localTime: new Date(state.clock.nowMs()),
    connections: {
      current: state.connectionCount(),
      available: state.settings.connectionsMax - state.connectionCount(),
    },
    network: {
      bytesIn: BigInt(network.bytesIn),
      bytesOut: BigInt(network.bytesOut),
      numRequests: BigInt(network.requests),
    },
    opcounters: {
      insert: counts.insert,
      query: counts.query,
      update: counts.update,
      delete: counts.delete,
      getmore: counts.getmore,
      command: counts.command,
    },
    mem: {
      bits: 64,
      resident: Math.round(memory.rss / 2 ** 20),
      virtual: Math.round(memory.rss / 2 ** 20),
      supported: true,
    },
    metrics: {
      cursor: {
        timedOut: BigInt(cursors.timedOut),
        open: { total: BigInt(cursors.size), noTimeout: 0n, pinned: 0n },
      },
      document: {
        deleted: BigInt(counts.deleted),
        inserted: BigInt(counts.inserted),
        returned: BigInt(counts.returned),
        updated: BigInt(counts.updated),
      },
      ttl: { deletedDocuments: BigInt(counts.ttlDeleted), passes: BigInt(counts.ttlPasses) },
    },
    catalogStats: { collections: catalog.size },
    storageEngine: {
      name: 'lmdb',
      supportsCommittedReads: true,
      persistent: true,
      readOnly: false,
    },
    transactions: { commits: engine.counts.transactions },
  }
}

const accepted = command(() => ({}), [], { takesAll: true })
const handshake = { isPublic: true, takesAll: true }

/** What tells clients about the server and the connection. */
export const handshakeCommands: CommandTable = {
  hello: command(hello, [], handshake),
  isMaster: command(hello, [], handshake),
  ismaster: command(hello, [], handshake),
  ping: command(() => ({}), [], handshake),
  buildInfo: command(buildInfo, [], handshake),
  buildinfo: command(buildInfo, [], handshake),
  hostInfo: command(hostInfo),
  connectionStatus: command(connectionStatus, ['showPrivileges'], { isPublic: true }),
  getParameter: command(getParameter, [], { takesAll: true }),
  getLog: command(getLog),
  getCmdLineOpts: command(() => ({ argv: ['khlong', 'mongodb'], parsed: {} })),
  serverStatus: command((_request, state) => serverStatus(state), [], { takesAll: true }),
  whatsmyuri: command((_request, _state, client) => ({ you: client.remote }), [], handshake),
  currentOp: command(() => ({ inprog: [] }), [], { takesAll: true }),
  replSetGetStatus: command(() => {
    throw codeError('NoReplicationEnabled', 'not running with --replSet')
  }),
  top: command(() => ({ totals: {} })),
  endSessions: accepted,
  startSession: command((_request, state) => ({
    id: newSession(),
    timeoutMinutes: 30,
    localTime: new Date(state.clock.nowMs()),
  })),
  refreshSessions: accepted,
  killSessions: accepted,
  killAllSessions: accepted,
  logout: command(
    (_request, _state, client) => {
      client.user = undefined
      return {}
    },
    [],
    { isPublic: true, takesAll: true },
  ),
  usersInfo: command(
    (_request, state) => ({
      users: state.settings.users.map(({ user, db }) => ({
        _id: `${db}.${user}`,
        user,
        db,
        roles: [{ role: 'root', db: 'admin' }],
      })),
    }),
    [],
    { takesAll: true },
  ),
}

function newSession(): Buffer {
  const bytes = Buffer.alloc(21)
  bytes.writeInt32LE(16, 0)
  bytes[4] = 4
  crypto.getRandomValues(bytes.subarray(5))
  return encodeDocument({ id: new Value(BsonType.binData, bytes, 0) })
}
