import type { Clock, Logger } from '@khlong/core'
import type { ReplyFields } from '../bson/encode.ts'
import type { MongodbSettings, UserSettings } from '../options.ts'
import type { Catalog } from '../storage/catalog.ts'
import type { StorageEngine } from '../storage/engine.ts'
import type { CursorTable } from './cursors.ts'
import type { CommandRequest } from './request.ts'

/** What the commands of one server share. */
export interface ServerState {
  readonly engine: StorageEngine
  readonly catalog: Catalog
  readonly cursors: CursorTable
  readonly settings: MongodbSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly startedMs: number
  readonly counts: OperationCounts
  connectionCount(): number
  network(): { bytesIn: number; bytesOut: number; requests: number }
}

/** Operations since the start, as `serverStatus.opcounters` names them; writes count documents. */
export interface OperationCounts {
  insert: number
  query: number
  update: number
  delete: number
  getmore: number
  command: number
  inserted: number
  updated: number
  deleted: number
  returned: number
  ttlDeleted: number
  ttlPasses: number
}

/** What the server knows of one connection. */
export interface ClientConnection {
  readonly id: number
  readonly remote: string
  readonly local: string
  user: { readonly name: string; readonly database: string } | undefined
  /** The conversation of an authentication that is under way. */
  conversation:
    | { next(payload: Buffer): { payload: Buffer; isDone: boolean; user?: UserSettings } }
    | undefined
}

/** Answers one command: with fields, `ok` to be added, or with a finished document. */
export type Handler = (
  request: CommandRequest,
  state: ServerState,
  client: ClientConnection,
) => Promise<ReplyFields | Buffer> | ReplyFields | Buffer

/** A command: what answers it and which fields it takes beside those of all commands. */
export interface Command {
  readonly run: Handler
  readonly fields: ReadonlySet<string>
  /** Served before authentication. */
  readonly isPublic?: boolean
  /** Changes data: its write concern is looked at. */
  readonly isWrite?: boolean
  /** Takes any field: handshakes, which drivers extend. */
  readonly takesAll?: boolean
}

/** Declares a command. */
export function command(
  run: Handler,
  fields: readonly string[] = [],
  traits: Pick<Command, 'isPublic' | 'isWrite' | 'takesAll'> = {},
): Command {
  return { run, fields: new Set(fields), ...traits }
}

/** Commands by name. */
export type CommandTable = Readonly<Record<string, Command>>
