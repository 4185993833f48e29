import { KafkaStreams } from '../../src/index.ts'

// An instance of kill-topology.ts in a process of its own, to be killed: `BOOTSTRAP THREADS [DATA]`.
// Says `running` to its parent when it does for the first time.

const [servers, threads, data] = process.argv.slice(2)
const streams = await KafkaStreams.fromModule(
  new URL('./kill-topology.ts', import.meta.url),
  {
    'bootstrap.servers': servers,
    'num.stream.threads': Number(threads),
    'heartbeat.interval.ms': 300,
    'session.timeout.ms': 6_000,
  },
  {
    ...(data === undefined ? {} : { data }),
    onError: (error) => {
      process.stderr.write(`an instance ended: ${String(error)}\n`)
      process.exit(1)
    },
  },
)
streams.setUncaughtExceptionHandler((error) => {
  process.stderr.write(`a stream thread ended: ${String(error)}\n`)
  return 'replace-thread'
})
streams.setStateListener((state) => {
  if (state === 'running' && process.connected) process.send?.('running')
})
process.once('SIGTERM', () => void streams.stop().then(() => process.exit(0)))
await streams.start()
