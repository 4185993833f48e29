import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { StreamsApps } from '../../src/index.ts'

// The pipeline's processors in a process of their own, to be killed: `BOOTSTRAP DATA WINDOW_MS`.
// Says `running` to its parent when it does.

const [servers, data, windowMs] = process.argv.slice(2)
const print =
  (level: string) =>
  (fields: object, message: string): void => {
    if (message !== 'record left out')
      process.stderr.write(`${level} ${message} ${inspect(fields, { depth: 3 })}\n`)
  }
const logger = { error: print('error'), warn: print('warn'), info() {}, debug() {}, trace() {} }
const apps = new StreamsApps(
  {
    'bootstrap.servers': servers,
    apps: fileURLToPath(
      new URL('../../../../pipelines/iot/streams/iot-processor.ts', import.meta.url),
    ),
    data: data!,
    settings: { 'window.size.ms': windowMs },
  },
  { logger },
)
await apps.start()
process.once('SIGTERM', () => void apps.stop().then(() => process.exit(0)))
let isRunning = false
for (;;) {
  const [app] = apps.vitals().items
  if (app?.state === 'running' && !isRunning) process.send?.('running')
  isRunning = app?.state === 'running'
  if (app?.state === 'failed') process.send?.(`failed: ${app.note}`)
  await pause(100)
}
