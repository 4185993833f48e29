import { KafkaBroker } from '../src/index.ts'

// A broker in a process of its own, to be killed. Says its address on its first line.
const [data = '', listen = ''] = process.argv.slice(2)
const broker = new KafkaBroker({
  data,
  listen: Number(listen),
  'log.segment.bytes': 200_000,
  'group.initial.rebalance.delay.ms': 0,
})
await broker.start()
console.log(broker.addresses.kafka)
