import { readFile } from 'node:fs/promises'
import { parseListen } from '@khlong/core'
import { AuditLog } from '@khlong/core/access'
import type { Command } from 'commander'
import { type Pipeline, partSettings, readPipeline } from '../config/pipeline.ts'
import { ownAccessKey } from '../devices/broker-access.ts'
import { type BrokerPlace, brokerTls } from '../devices/broker-place.ts'
import type { Device } from '../devices/device.ts'
import { parseDeviceCsv } from '../devices/device-csv.ts'
import { DeviceRegistry, type DeviceSecret } from '../devices/device-registry.ts'
import type { DeviceStatus } from '../devices/device-watch.ts'
import { makeSketch, sketchKind, sketchKinds } from '../devices/sketch.ts'
import { askDevices, findRunningPipeline } from '../doctor/running-pipeline.ts'
import { KhlongError } from '../errors.ts'
import { accessFolder } from '../lan/first-use.ts'
import { deviceAddress } from '../lan/lan-addresses.ts'
import { momentText } from './access-folder.ts'
import { addCommandCommands } from './send-command.ts'

interface DeviceFlags {
  pipeline: string
  data?: string
}

interface SketchFlags extends DeviceFlags {
  for: string
  url?: string
}

interface AddFlags extends SketchFlags {
  place: string
  id?: string
  kind?: string
  rate?: string
  json?: boolean
}

/** `khlong device add|list|show|rotate|revoke|remove|allow|disallow|import|snippet|command|commands`. */
export function addDeviceCommands(program: Command): void {
  const device = program.command('device').description('look after the devices that send frames')
  const command = (name: string): Command =>
    device
      .command(name)
      .option('--pipeline <dir>', 'folder with khlong.yml', '.')
      .option('--data <dir>', 'where khlong up was told to keep its data')
  const withSketch = (made: Command): Command =>
    made
      .option('--for <kind>', `the sketch: ${sketchKinds.join(', ')}`, 'python')
      .option(
        '--url <url>',
        'where the device finds MQTT, as mqtt://HOST:PORT or mqtts://HOST:PORT',
      )

  withSketch(command('add'))
    .description('add a device and print a program with its secret, which is not shown again')
    .argument('<name>', 'its username')
    .requiredOption('--place <id>', 'where it is; its frames carry it as place_id')
    .option('--id <id>', 'what its frames carry as id; its name unless said')
    .option('--kind <kind>', 'what it is')
    .option('--rate <n>', 'frames a second that it is expected to send')
    .option('--json', 'print name and secret as JSON, without a program')
    .action(async (name: string, flags: AddFlags) => {
      const kind = sketchKind(flags.for)
      const rate = flags.rate === undefined ? undefined : Number(flags.rate)
      const { id, place } = flags
      await withRegistry(flags, async ({ registry, pipeline, note }) => {
        const added = await registry.add({ name, id, place, kind: flags.kind, rate })
        note('device.add', name)
        if (flags.json) return print(JSON.stringify(publicSecret(added)))
        say(`${name}: secret ${added.secret}, not shown again`)
        print(makeSketch(kind, { ...added, ...(await whereMqttIs(pipeline, flags)) }).trimEnd())
      })
    })

  command('list')
    .description(
      'print the devices, one a line: name, id, place, kind, rate, state, added, last seen',
    )
    .option('--json', 'as JSON')
    .action((flags: DeviceFlags & { json?: boolean }) =>
      withRegistry(flags, async ({ registry, pipeline }) => {
        const devices = await withStatus(await registry.list(), pipeline)
        if (flags.json) return print(JSON.stringify(devices))
        for (const { name, id, place, kind, rate, state, createdMs, lastSeenMs } of devices) {
          const words = [name.padEnd(24), id.padEnd(16), place.padEnd(16), (kind ?? '-').padEnd(12)]
          words.push(String(rate ?? '-').padEnd(6), state.padEnd(10), momentText(createdMs))
          print(`${words.join('')}  ${momentText(lastSeenMs)}`)
        }
      }),
    )

  command('show')
    .description('print what is known of a device, and while it runs how it does, as JSON')
    .argument('<name>')
    .action((name: string, flags: DeviceFlags) =>
      withRegistry(flags, async ({ registry, pipeline }) => {
        const [device] = await withStatus([await registry.find(name)], pipeline)
        print(JSON.stringify(device, null, 2))
      }),
    )

  command('rotate')
    .description('give a device a new secret and print it; the old one counts no longer')
    .argument('<name>')
    .action((name: string, flags: DeviceFlags) =>
      withRegistry(flags, async ({ registry, note }) => {
        const { secret } = await registry.rotate(name)
        note('device.rotate', name)
        print(secret)
      }),
    )

  command('revoke')
    .description('disconnect a device and let it in no more, until rotate')
    .argument('<name>')
    .action((name: string, flags: DeviceFlags) =>
      withRegistry(flags, async ({ registry, note }) => {
        await registry.revoke(name)
        note('device.revoke', name)
        say(`${name} may not log in any more`)
      }),
    )

  command('remove')
    .description('forget a device')
    .argument('<name>')
    .action((name: string, flags: DeviceFlags) =>
      withRegistry(flags, async ({ registry, note }) => {
        await registry.remove(name)
        note('device.remove', name)
        say(`${name} is removed; its data stays`)
      }),
    )

  for (const [verb, isAllowed] of [
    ['allow', true],
    ['disallow', false],
  ] as const)
    command(verb)
      .description(
        isAllowed
          ? 'let a device give another one commands, directly over the broker'
          : 'let it no longer do so',
      )
      .argument('<name>')
      .argument('<other>', 'the device that gets the commands')
      .action((name: string, other: string, flags: DeviceFlags) =>
        withRegistry(flags, async ({ registry, note }) => {
          await registry.allowCommand(name, other, isAllowed)
          note(`device.${verb}`, `${name} ${other}`)
          say(`${name} may ${isAllowed ? '' : 'no longer '}give ${other} commands`)
        }),
      )

  command('import')
    .description('add devices of a CSV file: name, place, and where wanted id, kind, rate')
    .argument('<file>')
    .action((file: string, flags: DeviceFlags) =>
      withRegistry(flags, async ({ registry, note }) => {
        const text = await readFile(file, 'utf8').catch((cause: Error) => {
          throw new KhlongError('KHLONG_USAGE', `${file} cannot be read`, { cause })
        })
        const added = await registry.import(parseDeviceCsv(text, file))
        note('device.import', String(added.length))
        print('name,secret')
        for (const { device: one, secret } of added) print(`${one.name},${secret}`)
        say(`${added.length} devices added; their secrets are not shown again`)
      }),
    )

  addCommandCommands(command)

  withSketch(command('snippet'))
    .description(
      'print a program for a device; its secret is not kept, so it is given or made anew',
    )
    .argument('<name>')
    .option('--secret <secret>', 'the secret that was shown when it was made')
    .option('--rotate', 'make a new secret; the old one counts no longer')
    .action((name: string, flags: SketchFlags & { secret?: string; rotate?: boolean }) =>
      withRegistry(flags, async ({ registry, pipeline, note }) => {
        const kind = sketchKind(flags.for)
        if ((flags.secret === undefined) !== (flags.rotate === true))
          throw new KhlongError(
            'KHLONG_USAGE',
            'the secret was shown once and is not kept: give it by --secret, or --rotate for a new one',
          )
        if (flags.secret !== undefined && !/^[a-z0-9]{20}$/.test(flags.secret))
          throw new KhlongError('KHLONG_USAGE', '--secret: expected 20 letters and digits')
        const where = await whereMqttIs(pipeline, flags)
        const known: DeviceSecret =
          flags.secret === undefined
            ? await registry.rotate(name)
            : { device: await registry.find(name), secret: flags.secret }
        if (flags.rotate) note('device.rotate', name)
        print(makeSketch(kind, { ...known, ...where }).trimEnd())
      }),
    )
}

interface Opened {
  readonly registry: DeviceRegistry
  readonly pipeline: Pipeline
  /** Writes a change to the audit log. */
  note(action: string, target: string): void
}

async function withRegistry(
  flags: DeviceFlags,
  use: (opened: Opened) => Promise<void>,
): Promise<void> {
  const pipeline = await readPipeline({
    folder: flags.pipeline,
    ...(flags.data === undefined ? {} : { data: flags.data }),
  })
  const key = ownAccessKey(partSettings(pipeline, 'mqtt') || {})
  if (key !== undefined)
    throw new KhlongError(
      'KHLONG_USAGE',
      `${pipeline.settings.where(['mqtt', key])}: mqtt.${key} says who may come in, so there are no devices here; leave it out, or look after users by khlong mqtt passwd`,
    )
  const audit = new AuditLog({ folder: accessFolder(pipeline), part: 'cli' })
  const note = (action: string, target: string): void =>
    audit.add({
      who: process.env.USER ?? process.env.USERNAME ?? '',
      kind: 'command line',
      from: '',
      action,
      target,
      status: 0,
    })
  try {
    await use({ registry: new DeviceRegistry(pipeline.data), pipeline, note })
  } finally {
    await audit.flush()
  }
}

/** Where a device finds the broker: of the pipeline that runs, else as the settings say. */
async function whereMqttIs(
  pipeline: Pipeline,
  { url }: Pick<SketchFlags, 'url'>,
): Promise<BrokerPlace> {
  if (url !== undefined) {
    const given = URL.canParse(url) ? new URL(url) : undefined
    const isTls = given?.protocol === 'mqtts:'
    if (!given || given.hostname === '' || !(isTls || given.protocol === 'mqtt:'))
      throw new KhlongError(
        'KHLONG_USAGE',
        `--url: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found ${url}`,
      )
    const tls = isTls ? ((await brokerTls(pipeline)) ?? { authority: undefined }) : undefined
    return { host: given.hostname, port: Number(given.port || (isTls ? 8883 : 1883)), tls }
  }
  const mqtt = partSettings(pipeline, 'mqtt') || {}
  if (typeof mqtt.url === 'string') return whereMqttIs(pipeline, { url: mqtt.url })
  const state = await findRunningPipeline(pipeline.data)
  const addresses =
    state.kind === 'running'
      ? state.snapshot.parts.find(({ name }) => name === 'mqtt')?.addresses
      : undefined
  const running = addresses?.mqtt ?? addresses?.mqtts
  const written = (mqtt.listen as string | number | undefined) ?? 1883
  const listen = parseListen(running ?? written, pipeline.lan ? '0.0.0.0' : '127.0.0.1')
  return { ...deviceAddress(listen), tls: await brokerTls(pipeline) }
}

type DeviceSeen = Omit<Device, 'password'> &
  Partial<Omit<DeviceStatus, 'state'>> & { readonly state: DeviceStatus['state'] | 'active' }

/** Devices, and how each is doing where their pipeline runs. */
async function withStatus(
  devices: readonly Device[],
  pipeline: Pipeline,
): Promise<readonly DeviceSeen[]> {
  const known = new Map((await askDevices(pipeline.data)).map((status) => [status.name, status]))
  return devices.map((device) => ({
    ...publicDevice(device),
    state: device.revokedMs === undefined ? 'active' : 'revoked',
    ...known.get(device.name),
  }))
}

function publicDevice({ password: _, ...device }: Device): Omit<Device, 'password'> {
  return device
}

function publicSecret({ device, secret }: DeviceSecret): object {
  return { ...publicDevice(device), secret }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
