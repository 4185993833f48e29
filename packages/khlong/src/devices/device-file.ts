import { KhlongError } from '../errors.ts'
import { checkDevice, checkDeviceName, type Device, devicesMax } from './device.ts'

// devices.json; its page is docs/formats/devices.md.

const format = 'khlong-devices'
// 2: mayCommand
const version = 2
const fields: readonly string[] = [
  'name',
  'id',
  'place',
  'kind',
  'rate',
  'password',
  'mayCommand',
  'createdMs',
  'passwordChangedMs',
  'revokedMs',
]

/** The text of `devices.json`. */
export function encodeDevices(devices: readonly Device[]): string {
  return `${JSON.stringify({ format, version, devices }, null, 2)}\n`
}

/** @throws KhlongError `KHLONG_DEVICES_DAMAGED`, `KHLONG_DEVICES_NEWER` */
export function decodeDevices(text: string, file: string): readonly Device[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw damaged(file, 'it is not JSON', cause)
  }
  const top = (value ?? {}) as Record<string, unknown>
  if (top.format !== format) throw damaged(file, `expected format ${format}`)
  if (typeof top.version === 'number' && top.version > version)
    throw new KhlongError(
      'KHLONG_DEVICES_NEWER',
      `${file} is of format version ${top.version}, this Khlong reads up to ${version}; use a newer one`,
      { fields: { file, version: top.version } },
    )
  if (
    (top.version !== 1 && top.version !== version) ||
    !Array.isArray(top.devices) ||
    top.devices.length > devicesMax
  )
    throw damaged(file, `expected version ${version} and at most ${devicesMax} devices`)
  const names = new Set<string>()
  return top.devices.map((each: unknown, index) => {
    const device = decodeDevice(each, (why) => damaged(file, `devices.${index}: ${why}`))
    const name = device.name.toLowerCase()
    if (names.has(name)) throw damaged(file, `devices.${index}: ${device.name} a second time`)
    names.add(name)
    return device
  })
}

function decodeDevice(value: unknown, refuse: (why: string) => KhlongError): Device {
  if (typeof value !== 'object' || value === null) throw refuse('expected a device')
  const device = value as Record<string, unknown>
  const unknown = Object.keys(device).find((key) => !fields.includes(key))
  if (unknown !== undefined) throw refuse(`${unknown} is not known`)
  for (const key of ['name', 'id', 'place', 'password'])
    if (typeof device[key] !== 'string') throw refuse(`${key}: expected text`)
  for (const key of ['createdMs', 'passwordChangedMs', 'revokedMs'])
    if (!Number.isSafeInteger(device[key]) && !(key === 'revokedMs' && device[key] === undefined))
      throw refuse(`${key}: expected milliseconds`)
  if (device.kind !== undefined && typeof device.kind !== 'string')
    throw refuse('kind: expected text')
  if (device.rate !== undefined && typeof device.rate !== 'number')
    throw refuse('rate: expected a number')
  const { mayCommand = [] } = device
  if (!Array.isArray(mayCommand) || mayCommand.some((other) => typeof other !== 'string'))
    throw refuse('mayCommand: expected names of devices')
  const read = device as unknown as Device
  // One line of the password file: a break in it would be another user's line.
  if (!/^\$7\$\d+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$/.test(read.password))
    throw refuse('password: expected a hash of mosquitto_passwd')
  try {
    checkDevice(read)
    // Each is a word of the access file: a break in it would be another rule.
    for (const other of mayCommand as string[]) checkDeviceName(other)
  } catch (error) {
    throw refuse((error as Error).message)
  }
  return read
}

function damaged(file: string, why: string, cause?: unknown): KhlongError {
  return new KhlongError(
    'KHLONG_DEVICES_DAMAGED',
    `${file} is damaged (${why}); put a good copy in its place`,
    { fields: { file }, ...(cause === undefined ? {} : { cause }) },
  )
}
