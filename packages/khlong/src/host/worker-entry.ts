import { parentPort } from 'node:worker_threads'
import { cloneable, type LogFields, type Logger, toPlainError } from '@khlong/core'
import { LocalThread } from './local-thread.ts'
import { collectAtRest } from './rest.ts'
import type { LogLevel, ThreadMessage, ThreadRequest } from './thread-messages.ts'

// The other end of worker-thread.ts: takes requests from the main thread, one method call each.

const port = parentPort
if (!port) throw new Error('worker-entry is started by worker-thread only')

const send = (message: ThreadMessage): void => port.postMessage(message)
const logAt =
  (level: LogLevel) =>
  (fields: LogFields, message: string): void =>
    send({ kind: 'log', level, fields: cloneable(fields), message })
// Finer levels would cross threads only to be thrown away.
const nothing = (): void => {}
const logger: Logger = {
  error: logAt('error'),
  warn: logAt('warn'),
  info: logAt('info'),
  debug: nothing,
  trace: nothing,
}

collectAtRest()
const thread = new LocalThread(logger, (part, error) => {
  send({ kind: 'part-failure', part, error: toPlainError(error) })
})

port.on('message', (request: ThreadRequest) => {
  const method = thread[request.method] as (...args: readonly unknown[]) => Promise<unknown>
  method.apply(thread, [...request.arguments]).then(
    (value) => send({ kind: 'answer', id: request.id, value }),
    (error: unknown) => send({ kind: 'refusal', id: request.id, error: toPlainError(error) }),
  )
})
