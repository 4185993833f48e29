import { ConnectWorker } from '../../src/index.ts'

// A worker in a process of its own, so that a test can end it with SIGKILL.

const worker = new ConnectWorker({
  listen: 0,
  'offset.flush.interval.ms': 1_000,
  ...(JSON.parse(process.argv[2] ?? '{}') as object),
})
await worker.start()
await worker.settled()
process.stdout.write(`${JSON.stringify(worker.addresses)}\n`)
// Connections may all be quiet; the process stays until it is ended.
setInterval(() => {}, 60_000)
process.once('SIGTERM', async () => {
  await worker.stop()
  process.exit(0)
})
