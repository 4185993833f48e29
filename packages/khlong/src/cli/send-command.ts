import { setTimeout as pause } from 'node:timers/promises'
import { AuditLog } from '@khlong/core/access'
import type { Command } from 'commander'
import type { CommandState } from '../commands/command.ts'
import { CommandLog, type CommandLogOptions } from '../commands/command-log.ts'
import { externalKafka } from '../config/kafka-access.ts'
import { partNames } from '../config/part-names.ts'
import { type Pipeline, partSettings, readPipeline } from '../config/pipeline.ts'
import { addressOf } from '../devices/device.ts'
import { DeviceRegistry } from '../devices/device-registry.ts'
import { findRunningPipeline, runningKafka } from '../doctor/running-pipeline.ts'
import { KhlongError } from '../errors.ts'
import { accessFolder } from '../lan/first-use.ts'
import { momentText, systemUser } from './access-folder.ts'
import { commandConfigOption, readClientProperties } from './client-properties.ts'
import { countArgument } from './count-argument.ts'

interface Flags {
  pipeline: string
  data?: string
  commandConfig?: string
  json?: boolean
}

interface SendFlags extends Flags {
  param: string[]
  expires: string
  id?: string
  wait?: boolean
}

const pollMs = 200
const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `khlong device command` and `khlong device commands`. */
export function addCommandCommands(command: (name: string) => Command): void {
  command('command')
    .description('tell a device to do something; prints the id of the command')
    .argument('<name>', 'the device, or the id of its frames')
    .argument('<action>', 'what it is to do, such as fan or heat')
    .option(
      '--param <key=value>',
      'what belongs to it, such as seconds=60 (repeatable)',
      (value: string, previous: string[]) => [...previous, value],
      [] as string[],
    )
    .option('--expires <duration>', 'for how long it is of use: 30s, 5m, 2h, 1d', '60s')
    .option('--id <id>', 'who repeats a command gives the same, and it is done once')
    .addOption(commandConfigOption())
    .option('--wait', 'until the device has answered; exit code 1 where it does not, or cannot')
    .option('--json', 'print the command as JSON')
    .action(send)

  command('commands')
    .description('print the newest commands, one a line: given, device, action, state, answer, id')
    .argument('[name]', 'of this device only')
    .option('--limit <n>', 'so many', countArgument, 20)
    .addOption(commandConfigOption())
    .option('--json', 'as JSON')
    .action(list)
}

async function send(name: string, action: string, flags: SendFlags): Promise<void> {
  const given = { action, params: paramsOf(flags.param), expiresInMs: durationMs(flags.expires) }
  await withCommands(flags, async ({ log, address, note }) => {
    const device = await address(name)
    const id = flags.id === undefined ? {} : { id: flags.id }
    const command = await log.give({ ...given, device, by: systemUser() || 'command line', ...id })
    note(device, action)
    if (!flags.wait) return print(flags.json ? JSON.stringify(command) : command.id)
    const state = await outcome(log, command)
    print(flags.json ? JSON.stringify(state) : `${state.state}${answerText(state)}`)
    if (state.state !== 'acknowledged' || state.ok === false) process.exitCode = 1
  })
}

/** Follows a command until its device has answered, or it has expired. */
async function outcome(log: CommandLog, { id }: { id: string }): Promise<CommandState> {
  for (;;) {
    const state = await log.find(id)
    if (state && state.state !== 'sent') return state
    await pause(pollMs)
  }
}

async function list(name: string | undefined, flags: Flags & { limit: number }): Promise<void> {
  await withCommands(flags, async ({ log, address }) => {
    const device = name === undefined ? undefined : await address(name)
    const commands = await log.list({ device, limit: flags.limit })
    if (flags.json) return print(JSON.stringify(commands))
    for (const state of commands) {
      const words = [momentText(state.timestamp), state.device.padEnd(20), state.action.padEnd(12)]
      print(`${words.join('  ')}  ${state.state.padEnd(14)}${state.id}${answerText(state)}`)
    }
  })
}

interface Opened {
  readonly log: CommandLog
  /** The name under which a device gets commands. */
  address(named: string): Promise<string>
  /** Writes a command to the audit log. */
  note(device: string, action: string): void
}

async function withCommands(flags: Flags, use: (opened: Opened) => Promise<void>): Promise<void> {
  const pipeline = await readPipeline({
    folder: flags.pipeline,
    ...(flags.data === undefined ? {} : { data: flags.data }),
  })
  const audit = new AuditLog({ folder: accessFolder(pipeline), part: 'cli' })
  await using log = new CommandLog({
    ...(await whereKafkaIs(pipeline, await readClientProperties(flags.commandConfig))),
    hosts: Object.fromEntries(Object.entries(pipeline.hosts).filter(([, place]) => !isPart(place))),
  })
  try {
    await use({
      log,
      address: async (named) => addressOf(await new DeviceRegistry(pipeline.data).list(), named),
      note: (target, detail) =>
        audit.add({
          ...{ who: systemUser(), kind: 'command line', from: '' },
          ...{ action: 'device.command', target, detail, status: 0 },
        }),
    })
  } finally {
    await audit.flush()
  }
}

/** @throws KhlongError `KHLONG_USAGE` where our own Kafka does not run, or asks for a login */
async function whereKafkaIs(
  pipeline: Pipeline,
  properties: Record<string, string> | undefined,
): Promise<Pick<CommandLogOptions, 'bootstrapServers' | 'security'>> {
  const { 'bootstrap.servers': servers } = partSettings(pipeline, 'kafka') || {}
  if (servers !== undefined)
    return {
      bootstrapServers: String(servers),
      security: externalKafka(pipeline, String(servers)),
    }
  const state = await findRunningPipeline(pipeline.data)
  const kafka =
    state.kind === 'running' ? state.snapshot.parts.find(({ name }) => name === 'kafka') : undefined
  if (!kafka)
    throw new KhlongError(
      'KHLONG_USAGE',
      `no pipeline runs on ${pipeline.data}: commands go through its Kafka; start it with khlong up`,
    )
  const security = runningKafka(pipeline, kafka, properties)
  if (security) return { bootstrapServers: security['bootstrap.servers'], security }
  throw new KhlongError(
    'KHLONG_USAGE',
    `Kafka has no listener without logins (${Object.keys(kafka.addresses).join(', ') || 'none'}): say who you are by --command-config FILE, a client's properties`,
  )
}

const isPart = (name: string): boolean => (partNames as readonly string[]).includes(name)

/** `seconds=60` is a number, `name=roof` a text: JSON where it is JSON. */
function paramsOf(written: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    written.map((text) => {
      const at = text.indexOf('=')
      if (at < 1)
        throw new KhlongError('KHLONG_USAGE', `--param: expected key=value, found ${text}`)
      const value = text.slice(at + 1)
      try {
        return [text.slice(0, at), JSON.parse(value) as unknown]
      } catch {
        return [text.slice(0, at), value]
      }
    }),
  )
}

function durationMs(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count === undefined)
    throw new KhlongError('KHLONG_USAGE', `--expires: expected such as 30s, 5m, found ${text}`)
  return Number(count) * unitMs[unit as keyof typeof unitMs]
}

function answerText({ ok, error }: CommandState): string {
  return ok === false ? `  not done: ${error ?? ''}` : ''
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
