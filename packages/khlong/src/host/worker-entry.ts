import { parentPort } from 'node:worker_threads'
import { loadZodLanguagesLate } from '@khlong/core/zod-languages'
import { collectAtRest } from './rest.ts'
import type { ThreadMessage, ThreadRequest } from './thread-messages.ts'

// The other end of worker-thread.ts: takes requests from the main thread, one method call each.

const port = parentPort
if (!port) throw new Error('worker-entry is started by worker-thread only')

loadZodLanguagesLate()
const { threadLogger, toPlainError } = await import('@khlong/core')
const { LocalThread } = await import('./local-thread.ts')

const send = (message: ThreadMessage): void => port.postMessage(message)
const logger = threadLogger(send)

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
