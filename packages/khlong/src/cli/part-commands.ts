import { setFlagsFromString } from 'node:v8'
import { parseListen } from '@khlong/core'
import type { Command } from 'commander'
import type { PartName } from '../config/part-names.ts'
import { makePart } from '../parts/load.ts'
import { makeLogger } from './plain-logger.ts'
import { standaloneSettings } from './standalone-settings.ts'
import { onReloadRequest, stopRequested } from './stop-request.ts'
import { readWorkerFiles } from './worker-files.ts'

const descriptions: Record<PartName, string> = {
  sensors: 'run a fleet of sensors against any MQTT broker',
  mqtt: 'run the MQTT broker alone, or publish and subscribe',
  zookeeper: 'run the ZooKeeper server alone',
  kafka: 'run the Kafka broker alone, or speak with one',
  connect: 'run a Connect worker alone, or look at one',
  streams: 'run a folder of streams applications against any Kafka',
  mongodb: 'run the MongoDB server alone',
  prometheus: 'run the Prometheus server alone',
  grafana: 'run the dashboards and the console alone',
  forward: 'forward topics from one Kafka to another, in order and exactly once',
}

/**
 * A worker's records live until they are acknowledged, so each outlives the young generation, and V8 lets what they leave pile
 * up to four times of what is in use: 230 MiB at the peak of a flood instead of 170. Set when all is loaded, since
 * V8 keeps compiled code apart by its flags.
 */
const heapGrowth = '--heap-growing-percent=100'

interface PartFlags {
  listen?: string
  bootstrapServer?: string
  url?: string
  fleet?: string
  data?: string
  set: string[]
}

/** The command of a part: `khlong mqtt --listen 1883 --data DIR`. */
export function addPartCommand(program: Command, name: PartName): Command {
  const command = program.command(name).description(descriptions[name])
  if (name === 'sensors')
    command
      .requiredOption('--url <url>', 'the broker: mqtt://HOST:PORT')
      .option('--fleet <file>', 'which sensors there are; default the classic three')
  else command.option('--data <dir>', 'keep the data there', `./data/${name}`)
  // The sensors, the applications and what forwards are clients only.
  if (name !== 'sensors' && name !== 'streams' && name !== 'forward')
    command.option('--listen <port>', 'PORT or HOST:PORT; default the real system’s port')
  if (name === 'connect' || name === 'streams')
    command.option('--bootstrap-server <host:port>', 'the Kafka; default 127.0.0.1:9092')
  if (name === 'connect')
    command.argument('[files...]', "a worker's properties file, and behind it files of connectors")
  return command
    .option(
      '--set <key=value>',
      'a setting by the real system’s name (repeatable)',
      (value: string, previous: string[]) => [...previous, value],
      [] as string[],
    )
    .action(() => runPart(name, command.opts<PartFlags>(), command.args))
}

/** Whether it reads its files again when it is told to. */
function canReload(part: object): part is { reload(): Promise<void> } {
  return 'reload' in part && typeof part.reload === 'function'
}

async function runPart(
  name: PartName,
  flags: PartFlags,
  [file, ...others]: readonly string[],
): Promise<void> {
  if (flags.listen !== undefined) parseListen(flags.listen)
  const logger = makeLogger((line) => process.stderr.write(line))
  const worker = file === undefined ? undefined : readWorkerFiles([file, ...others])
  const settings = { ...worker?.settings, ...(await standaloneSettings(name, flags)) }
  const failed = Promise.withResolvers<never>()
  const part = await makePart(name, settings, worker?.source ?? { name: 'command line' }, {
    logger,
    onFailure: failed.reject,
  })
  await part.start()
  if (name === 'connect') setFlagsFromString(heapGrowth)
  // Before the addresses are said: whoever reads them may ask to stop at once.
  const stopped = stopRequested()
  if (canReload(part)) onReloadRequest(() => part.reload())
  for (const [listener, address] of Object.entries(part.addresses))
    process.stdout.write(`${name} ${listener} ${address}\n`)
  // A part that only connects may hold nothing open while it waits to try again.
  const alive = setInterval(() => {}, 2 ** 30)
  try {
    await Promise.race([stopped, failed.promise])
  } finally {
    clearInterval(alive)
    await part.stop()
  }
}
