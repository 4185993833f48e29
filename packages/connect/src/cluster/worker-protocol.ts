import { Reader, Writer } from '@khlong/core/bytes'

// What workers tell their leader and what it tells them: version 1 of Connect's group protocol
// ("compatible", KIP-415), byte for byte as Java's workers write it.

/** A connector, or one of its tasks. */
export interface WorkPiece {
  readonly connector: string
  /** Undefined: the connector itself. */
  readonly task?: number | undefined
}

/** What a worker is told. It keeps what it has, but for what is revoked. */
export interface WorkerAssignment {
  readonly isConfigMismatch: boolean
  readonly leaderId: string
  readonly leaderUrl: string
  /** The offset in the config topic that the leader decided by. */
  readonly configOffset: number
  readonly assigned: readonly WorkPiece[]
  readonly revoked: readonly WorkPiece[]
  /** After this time the worker joins again, for work that waits for a worker to come back. */
  readonly delayMs: number
}

/** What a worker tells of itself. */
export interface WorkerState {
  readonly url: string
  readonly configOffset: number
  /** What it runs. */
  readonly running: readonly WorkPiece[]
}

/** The name of the protocol in the group. */
export const protocolName = 'compatible'

const version = 1
// Stands for the connector itself among its tasks.
const connectorTask = -1

export function encodeWorkerState(state: WorkerState, leader: { id: string; url: string }): Buffer {
  const writer = new Writer().int16(version)
  text(writer, state.url)
  writer.int64(state.configOffset)
  if (state.running.length === 0 && leader.id === '') writer.int32(-1)
  else {
    const allocation = encodeAssignment({
      isConfigMismatch: false,
      leaderId: leader.id,
      leaderUrl: leader.url,
      configOffset: state.configOffset,
      assigned: state.running,
      revoked: [],
      delayMs: 0,
    })
    writer.int32(allocation.length).raw(allocation)
  }
  return writer.take()
}

/** @throws ReadError `BYTES_MALFORMED` */
export function decodeWorkerState(bytes: Uint8Array): WorkerState {
  const reader = new Reader(bytes)
  reader.int16()
  const url = readText(reader)
  const configOffset = reader.int64()
  const length = reader.int32()
  const running = length < 0 ? [] : decodeAssignment(reader.slice(length)).assigned
  reader.finish(true)
  return { url, configOffset, running }
}

export function encodeAssignment(assignment: WorkerAssignment): Buffer {
  const writer = new Writer().int16(version)
  writer.int16(assignment.isConfigMismatch ? 1 : 0)
  text(writer, assignment.leaderId)
  text(writer, assignment.leaderUrl)
  writer.int64(assignment.configOffset)
  pieces(writer, assignment.assigned)
  pieces(writer, assignment.revoked)
  writer.int32(assignment.delayMs)
  return writer.take()
}

/** @throws ReadError `BYTES_MALFORMED` */
export function decodeAssignment(bytes: Uint8Array): WorkerAssignment {
  const reader = new Reader(bytes)
  reader.int16()
  const isConfigMismatch = reader.int16() !== 0
  const assignment = {
    isConfigMismatch,
    leaderId: readText(reader),
    leaderUrl: readText(reader),
    configOffset: reader.int64(),
    assigned: readPieces(reader),
    revoked: readPieces(reader),
    delayMs: reader.int32(),
  }
  reader.finish(true)
  return assignment
}

function pieces(writer: Writer, all: readonly WorkPiece[]): void {
  const byConnector = new Map<string, number[]>()
  for (const { connector, task = connectorTask } of all) {
    const tasks = byConnector.get(connector)
    if (tasks) tasks.push(task)
    else byConnector.set(connector, [task])
  }
  writer.int32(byConnector.size)
  for (const [connector, tasks] of byConnector) {
    text(writer, connector)
    writer.int32(tasks.length)
    for (const task of tasks) writer.int32(task)
  }
}

function readPieces(reader: Reader): WorkPiece[] {
  const found: WorkPiece[] = []
  for (let rest = reader.count(reader.int32(), 6); rest > 0; rest--) {
    const connector = readText(reader)
    for (let left = reader.count(reader.int32(), 4); left > 0; left--) {
      const task = reader.int32()
      found.push(task === connectorTask ? { connector } : { connector, task })
    }
  }
  return found
}

function text(writer: Writer, value: string): void {
  const at = writer.reserve(2)
  const byteCount = writer.utf8(value)
  writer.bytes().writeInt16BE(byteCount, at)
}

function readText(reader: Reader): string {
  return reader.utf8(reader.int16())
}
