import { parentPort, workerData } from 'node:worker_threads'
import { systemClock, threadLogger, toPlainError } from '@khlong/core'
import { resolveStreamsSettings } from '../config.ts'
import type { TaskLocker } from '../runtime/task-locks.ts'
import { StateFolder } from '../state/state-folder.ts'
import { LocalStreamThread } from './local-thread.ts'
import type { FromWorker, ToWorker, WorkerStart } from './thread-messages.ts'
import { loadTopologyModule } from './topology-module.ts'

// The other end of worker-thread.ts: one stream thread, told by messages what to do.

const port = parentPort
if (!port) throw new Error('stream-worker is loaded by worker-entry only')

/** How often the owner is told of counts and lag, and of what is measured. */
const reportMs = 500
const metricsMs = 2_000

const start = workerData as WorkerStart
const send = (message: FromWorker): void => port.postMessage(message)
const logger = threadLogger(send)

let nextLock = 1
const lockWaiters = new Map<number, () => void>()
/** The locks lie with the owner of all threads. */
const locks: TaskLocker = {
  lock: (taskId) =>
    new Promise((resolve) => {
      const id = nextLock++
      lockWaiters.set(id, resolve)
      send({ kind: 'lock', id, taskId })
    }),
  unlock: (taskId) => send({ kind: 'unlock', taskId }),
  unlockAll: () => send({ kind: 'unlock-all' }),
}

/** Databases of one file are opened by one thread at a time: LMDB asks for it. */
async function openFolder(folder: string): Promise<StateFolder> {
  const opening = ':open'
  await locks.lock(opening)
  try {
    return await StateFolder.open(folder)
  } finally {
    locks.unlock(opening)
  }
}

let folder: StateFolder | undefined
let isPaused = false
let asksForShutdown = false

async function makeThread(): Promise<LocalStreamThread> {
  const { definition } = await loadTopologyModule(start.url, start.applicationSettings)
  const settings = resolveStreamsSettings({ ...definition.config, ...start.settings })
  if (start.folder !== undefined) folder = await openFolder(start.folder)
  const made = new LocalStreamThread({
    ...start,
    topology: definition.build(start.applicationSettings),
    settings,
    folder,
    locks,
    logger,
    clock: systemClock,
    events: {
      onState: (state) => send({ kind: 'state', state }),
      onFailure: (error) => {
        void closeFolder().then(() =>
          send({ kind: 'failure', error: toPlainError(error), report: made.report }),
        )
      },
      onShutdown: () => send({ kind: 'shutdown' }),
    },
  })
  made.setPaused(isPaused)
  if (asksForShutdown) made.askForShutdown()
  setInterval(() => send({ kind: 'report', report: made.report }), reportMs).unref()
  setInterval(() => send({ kind: 'metrics', metrics: made.metrics }), metricsMs).unref()
  return made
}

async function closeFolder(): Promise<void> {
  const opened = folder
  folder = undefined
  await opened?.close()
}

let making: Promise<LocalStreamThread> | undefined

const methods = {
  async start(): Promise<void> {
    making = makeThread()
    await (await making).start()
  },
  async stop(options: Parameters<LocalStreamThread['stop']>[0]): Promise<void> {
    const thread = await making?.catch(() => undefined)
    await thread?.stop(options)
    if (thread) send({ kind: 'report', report: thread.report })
    await closeFolder()
  },
  async setPaused(paused: boolean): Promise<void> {
    isPaused = paused
    ;(await making)?.setPaused(paused)
  },
  async setThreadCount(threadCount: number): Promise<void> {
    ;(await making)?.setThreadCount(threadCount)
  },
  async askForShutdown(): Promise<void> {
    asksForShutdown = true
    ;(await making)?.askForShutdown()
  },
  async query(query: Parameters<LocalStreamThread['query']>[0]): Promise<unknown> {
    return (await making)?.query(query)
  },
  async metadata(): Promise<unknown> {
    return (await making)?.metadata()
  },
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'locked') {
    lockWaiters.get(message.id)?.()
    lockWaiters.delete(message.id)
    return
  }
  const method = methods[message.method] as (...given: readonly unknown[]) => Promise<unknown>
  method(...message.arguments).then(
    (value) => send({ kind: 'answer', id: message.id, value }),
    (error: unknown) => send({ kind: 'refusal', id: message.id, error: toPlainError(error) }),
  )
})
