import { KafkaStreams } from '../../src/index.ts'

// handover-topology.ts in a process of its own, to be killed: `BOOTSTRAP APPLICATION_ID DATA`.
// Tells its parent what it measures when it runs.

const [servers, id, data] = process.argv.slice(2)
const streams = await KafkaStreams.fromModule(
  new URL('./handover-topology.ts', import.meta.url),
  {
    'application.id': id!,
    'bootstrap.servers': servers,
    'num.stream.threads': 2,
    'session.timeout.ms': 6_000,
    'heartbeat.interval.ms': 500,
  },
  {
    data: data!,
    settings: { id },
    onError: (error) => {
      process.stderr.write(`the application ended: ${String(error)}\n`)
      process.exit(1)
    },
  },
)
await streams.start()
// Threads tell of tasks and stores a little later.
setInterval(() => {
  const names = streams
    .metrics()
    .map(({ group, name, tags }) => `${group} ${name} ${Object.keys(tags).sort().join()}`)
  if (names.some((name) => name.startsWith('stream-state-metrics')) && process.connected)
    process.send?.([...new Set(names)])
}, 300)
