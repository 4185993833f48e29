import { MqttBroker } from '../../src/index.ts'

// A broker in a process of its own, which a test can kill.
const [data = '', port = '0'] = process.argv.slice(2)
const broker = new MqttBroker({
  data,
  listen: Number(port),
  journal_segment_bytes: 65_536,
  sys_interval: 0,
})
await broker.start()
process.stdout.write(`${broker.addresses.mqtt}\n`)
