import path from 'node:path'
import { PrometheusServer } from '../../src/index.ts'

// A process of its own, to be killed by tests: Prometheus and its Alertmanager in a folder.
const folder = process.argv[2]!
const server = new PrometheusServer({
  listen: 0,
  data: path.join(folder, 'data'),
  'config.file': path.join(folder, 'prometheus.yml'),
  'alertmanager.config.file': path.join(folder, 'alertmanager.yml'),
  'alertmanager.listen': 0,
  'rules.alert.resend-delay': '200ms',
})
await server.start()
process.stdout.write(`${JSON.stringify(server.addresses)}\n`)
setInterval(() => {}, 60_000)
