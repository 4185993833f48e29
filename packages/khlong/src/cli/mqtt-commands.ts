import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { MqttClient } from 'mqtt'

interface ClientFlags {
  url: string
  cafile?: string
  qos: string
  retain?: boolean
  count?: string
  verbose?: boolean
}

const urlOption = [
  '--url <url>',
  'the broker: mqtt:// or mqtts://, ws:// or wss://',
  'mqtt://127.0.0.1:1883',
] as const
const cafileOption = ['--cafile <file>', 'certificates of the authorities to trust, PEM'] as const

/** `khlong mqtt pub` and `khlong mqtt sub`. */
export function addMqttCommands(command: Command): void {
  command
    .command('pub')
    .description('publish one message')
    .argument('<topic>')
    .argument('<message>', 'text; - reads lines from standard input, one message each')
    .option(...urlOption)
    .option(...cafileOption)
    .option('--qos <0|1|2>', 'quality of service', '1')
    .option('--retain', 'keep it as the topic’s last known value')
    .action(async (topic: string, message: string, flags: ClientFlags) => {
      const client = await connect(flags)
      const options = { qos: Number(flags.qos) as 0 | 1 | 2, retain: flags.retain ?? false }
      if (message !== '-') await client.publishAsync(topic, message, options)
      else
        for await (const line of standardInputLines())
          await client.publishAsync(topic, line, options)
      await client.endAsync()
    })

  command
    .command('sub')
    .description('print messages as they come')
    .argument('<filter...>')
    .option(...urlOption)
    .option(...cafileOption)
    .option('--qos <0|1|2>', 'highest quality of service', '1')
    .option('--count <n>', 'end after so many messages')
    .option('-v, --verbose', 'print the topic before each message')
    .action(async (filters: string[], flags: ClientFlags) => {
      const client = await connect(flags)
      let left = flags.count === undefined ? Number.POSITIVE_INFINITY : Number(flags.count)
      const done = Promise.withResolvers<void>()
      client.on('message', (topic, payload) => {
        if (left-- <= 0) return
        process.stdout.write(`${flags.verbose ? `${topic} ` : ''}${payload.toString()}\n`)
        if (left <= 0) done.resolve()
      })
      client.on('close', () => done.resolve())
      process.once('SIGINT', () => done.resolve())
      await client.subscribeAsync(filters, { qos: Number(flags.qos) as 0 | 1 | 2 })
      await done.promise
      await client.endAsync(true)
    })
}

/** The library is loaded by who uses it: a start of a pipeline does not wait for it. */
async function connect({ url, cafile }: ClientFlags): Promise<MqttClient> {
  const { default: mqtt } = await import('mqtt')
  return mqtt.connectAsync(url, {
    reconnectPeriod: 0,
    ...(cafile === undefined ? {} : { ca: await readFile(cafile) }),
  })
}

async function* standardInputLines(): AsyncGenerator<string> {
  const { createInterface } = await import('node:readline')
  yield* createInterface({ input: process.stdin })
}
