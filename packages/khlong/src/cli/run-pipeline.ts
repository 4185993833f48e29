import { clientAddress } from '../config/part-address.ts'
import { readPipeline } from '../config/pipeline.ts'
import type { FirstUse } from '../lan/first-use.ts'
import { networkLines, secretLines } from '../lan/lan-lines.ts'
import { Platform } from '../platform.ts'
import type { Snapshot } from '../status/snapshot.ts'
import { LiveTable, tableLines } from '../terminal/live-table.ts'
import { openBrowser } from '../terminal/open-browser.ts'
import { version } from '../version.ts'
import { makeLogger } from './plain-logger.ts'
import { onReloadRequest, stopRequested } from './stop-request.ts'

export interface RunPipelineOptions {
  folder: string
  data?: string
  set: readonly string[]
  demo?: boolean
  lan?: boolean
  open: boolean
}

/** Runs a pipeline until it is asked to stop; gives the exit code. */
export async function runPipeline(options: RunPipelineOptions): Promise<number> {
  const startMs = performance.now()
  const interactive = process.stdout.isTTY === true
  const say = (text: string): void => {
    process.stdout.write(`${text}\n`)
  }
  const pipeline = await readPipeline(options)
  let table: LiveTable | undefined
  let firstUse: FirstUse = {}
  const logger = makeLogger(
    (line) => (table ? table.print(line.trimEnd()) : process.stdout.write(line)),
    interactive ? 'warn' : 'info',
  )
  say(`khlong ${version}: starting ${pipeline.name} (data in ${pipeline.data})`)
  const stop = stopRequested()
  const aborting = new AbortController()
  const starting = Platform.start({
    pipeline,
    signal: aborting.signal,
    logger,
    onSnapshot: (snapshot: Snapshot) => table?.draw(snapshot),
    onFirstUse: (made) => {
      firstUse = made
      for (const line of secretLines(made)) say(line)
    },
  })
  let isStarting = true
  void stop.then(() => {
    if (!isStarting) return
    say('stopping…; once more ends it at once')
    aborting.abort()
  })
  const platform = await starting.catch((error: unknown) => {
    if (!aborting.signal.aborted) throw error
  })
  if (!platform) {
    say('stopped before it had started')
    // What a part still waits for would keep the process.
    process.exit(0)
  }
  isStarting = false
  const uncaught = (error: unknown): void => {
    logger.error(
      { err: error },
      'an error was caught by nobody; the parts of the main thread start again',
    )
    platform.mainThreadFailed(error)
  }
  process.on('uncaughtException', uncaught)
  onReloadRequest(() => platform.reload())
  for (const { part, listener, from, to } of platform.book.moved)
    say(`port ${from} is taken: ${part}${listener === 'listen' ? '' : ` ${listener}`} is on ${to}`)
  const consoleUrl = consoleAddress(platform)
  say(`ready in ${((performance.now() - startMs) / 1_000).toFixed(1)} s`)
  if (pipeline.lan) for (const line of await networkLines(platform.book, interactive)) say(line)
  const footer = nextSteps(platform, consoleUrl, firstUse)
  if (interactive) {
    table = new LiveTable(process.stdout, footer)
    if (platform.latest) table.draw(platform.latest)
    if (options.open && consoleUrl) openBrowser(consoleUrl)
  } else {
    if (platform.latest) for (const line of tableLines(platform.latest, false)) say(line)
    for (const line of footer) say(line)
  }
  await stop
  table = undefined
  say('stopping…')
  const cut = await platform.stop()
  process.off('uncaughtException', uncaught)
  say(cut.length === 0 ? 'stopped' : `stopped; not waited for: ${cut.join(', ')}`)
  // What a part still waits for would keep the process.
  if (cut.length > 0) process.exit(0)
  return 0
}

function consoleAddress(platform: Platform): string | undefined {
  return platform.book.environment.KHLONG_GRAFANA_URL
}

/** The last lines of the terminal: where to look, and a command to try for each part that there is. */
function nextSteps(
  platform: Platform,
  consoleUrl: string | undefined,
  { device }: FirstUse,
): string[] {
  const { environment, parts } = platform.book
  const steps: string[] = []
  const step = (
    command: string,
    option: string,
    address: string | undefined,
    usual: string,
  ): void => {
    if (address !== undefined)
      steps.push(`  npx khlong ${command}${address === usual ? '' : ` ${option} ${address}`}`)
  }
  const frame =
    '{"id":"777","name":"mine","place_id":"1","payload":{"temperature":21,"humidity":40,"pressure":1013,"luminosity":300}}'
  const mqttUrl = publishUrl(platform, device)
  if (parts.mqtt.kind === 'embedded' && mqttUrl === undefined)
    steps.push('  npx khlong device add NAME --place PLACE')
  step(`mqtt pub iot-frames '${frame}'`, '--url', mqttUrl, 'mqtt://127.0.0.1:1883')
  const { KHLONG_KAFKA_BOOTSTRAP_SERVERS: kafka, KHLONG_MONGODB_URI: mongodb } = environment
  step('kafka consume iot-frames', '--bootstrap-server', kafka, '127.0.0.1:9092')
  step('mongo find iot.iot_frames --limit 3', '--url', mongodb, 'mongodb://127.0.0.1:27017')
  return [
    ...(consoleUrl ? [`Open ${consoleUrl}`] : []),
    ...(steps.length > 0 ? ['Try next:', ...steps] : []),
  ]
}

/** What a person may publish by; undefined where that needs a secret which is not known here. */
function publishUrl({ book }: Platform, device: FirstUse['device']): string | undefined {
  const { mqtt } = book.parts
  if (mqtt.kind !== 'embedded') return book.environment.KHLONG_MQTT_URL
  const { listen } = mqtt.listeners
  if (listen === undefined) return undefined
  const address = clientAddress(listen)
  if (address === listen) return `${book.mqttScheme}://${listen}`
  return device && `${book.mqttScheme}://${device.name}:${device.secret}@${address}`
}
